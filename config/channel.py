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
from waitress.utilities import Error

from api.bulkhead import Full
from config.parking import Parked
from config.parser import StrictParser
from config.patience import Progress

_serving = threading.local()  # `channel`: whose request this thread runs


class DirectChannel(HTTPChannel):
    parser_class = StrictParser
    connected: bool
    request: Any
    requests: list[Any]
    total_outbufs_len: int
    current_outbuf_count: int
    queued_at = 0.0  # when its request began to wait for a thread
    parked_at: float | None = None  # … or for a place in a bulkhead
    full: Full | None = None  # which was this one
    patient = True  # whether it may yet do so
    sent_bytes = 0
    progress: Progress | None = None
    buffered = False  # whether the main loop may have seen this request's answer in the buffer

    def service(self) -> None:
        _serving.channel, self.buffered = self, False
        try:
            super().service()
            self.parked_at, self.full, self.patient = None, None, True
        except Parked as parked:
            if self.requests[0].body_rcv:
                self.requests[0].get_body_stream().seek(0)
            self.full = parked.full
            self.server.parking.park(self, parked.full)
        finally:
            _serving.channel = None

    def refuse(self, error: Error) -> None:
        """Answer the request that is still coming in, and read no more of it."""
        with self.requests_lock:
            request, self.request = self.request, None
            request.error, request.completed = error, True
            self.requests.append(request)
            if len(self.requests) == 1:
                self.server.add_task(self)

    def send(self, data: bytes, do_close: bool = True) -> int:
        sent = int(super().send(data, do_close))
        self.sent_bytes += sent
        return sent

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
                sent = self.send(data, do_close=False)
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
