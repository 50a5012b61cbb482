"""The connection of a client: an answer is sent by the thread that has it, at once.

Waitress copies every answer through a buffer, and wakes its main loop when it is done, which then looks at all
connections to find nothing to do. That is left for answers that the client does not take at once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from waitress.channel import HTTPChannel

_serving = threading.local()  # `channel`: whose request this thread runs


class DirectChannel(HTTPChannel):
    connected: bool
    total_outbufs_len: int
    current_outbuf_count: int
    buffered = False  # whether the main loop may have seen this request's answer in the buffer

    def service(self) -> None:
        _serving.channel, self.buffered = self, False
        try:
            super().service()
        finally:
            _serving.channel = None

    def write_soon(self, data: Any) -> int:
        sent = self.sent_at_once(data) if type(data) is bytes else 0
        if 0 < sent == len(data):
            return sent
        self.buffered = True
        if self.current_outbuf_count >= self.adj.outbuf_overflow:
            # A new buffer for each megabyte: waitress keeps what it has sent until 16 MB went through one.
            self.current_outbuf_count = self.adj.outbuf_high_watermark
        return sent + int(super().write_soon(data[sent:] if sent else data))

    def sent_at_once(self, data: bytes) -> int:
        """How many bytes of `data` the socket has taken. 0 too for one that failed, which the buffer then finds out."""
        with self.outbuf_lock:
            if self.total_outbufs_len or not self.connected:
                return 0
            try:
                sent = int(self.send(data, do_close=False))
            except OSError:
                return 0
        self.last_activity = time.time()
        return sent

    @property
    def needs_the_loop(self) -> bool:
        """Whether something is left to send, to close or to read."""
        return self.buffered or bool(self.requests) or self.close_when_flushed or self.will_close


def only_where_needed(pull_trigger: Callable[[], None]) -> Callable[[], None]:
    """`pull_trigger` of a server, which wakes its main loop."""

    def pull() -> None:
        channel = getattr(_serving, "channel", None)
        if channel is None or channel.needs_the_loop:
            pull_trigger()

    return pull
