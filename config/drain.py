"""Stopping without losing a request.

Stock waitress dies at once on SIGTERM, with requests running, queued and half sent; behind Heroku's
router those are H13 and H18. Here SIGTERM means: take what already knocked, listen no more, finish
every request and every stream, then return. Heroku kills after 30 s, so there is a cap before that.
"""

from __future__ import annotations

import logging
import signal
import time
from typing import Any

from config.keepalive import KeepAliveTask

logger = logging.getLogger(__name__)

DRAIN_SECONDS = 25.0
QUIET_SECONDS = 1.0  # a connection this long without a byte has no request under way


class LastTask(KeepAliveTask):
    """While the server drains, an answer tells the client that its connection ends."""

    def execute(self) -> None:
        if self.channel.server.draining:
            self.set_close_on_finish()
        super().execute()


def serve(server: Any) -> None:
    """Run a waitress server until SIGTERM, then finish what was begun, for 25 s at most."""

    def stop(*_: Any) -> None:
        server.draining = True
        server.pull_trigger()

    signal.signal(signal.SIGTERM, stop)
    while not server.draining:
        turn(server, server.adj.asyncore_loop_timeout)
    drain(server)


def drain(server: Any) -> None:
    deadline = time.monotonic() + DRAIN_SECONDS
    take_waiting_connections(server)
    server.del_channel()
    server.socket.close()
    while server.active_channels and time.monotonic() < deadline:
        for channel in list(server.active_channels.values()):
            channel.will_close = channel.will_close or is_quiet(channel)
        turn(server, 0.1)
    if server.active_channels:
        logger.warning("stopped with %d connections unfinished", len(server.active_channels))
    server.task_dispatcher.shutdown(timeout=0.1)


def turn(server: Any, seconds: float) -> None:
    """One turn of the loop: wait for sockets, `seconds` at most, and do what they are ready for."""
    server.asyncore.loop(timeout=seconds, use_poll=server.adj.asyncore_use_poll, map=server._map, count=1)


def take_waiting_connections(server: Any) -> None:
    """Accept what the kernel has accepted for us: closing the listener would reset those connections."""
    known = -1
    while known != len(server.active_channels):
        known = len(server.active_channels)
        server.handle_accept()


def is_quiet(channel: Any) -> bool:
    """Whether nothing is read, run or written for a connection, nor was it a moment ago."""
    busy = channel.requests or channel.request or channel.total_outbufs_len
    return not busy and time.time() - channel.last_activity > QUIET_SECONDS
