"""How long a client may make others wait: for its request, for its reading, for a place among the connections."""

from __future__ import annotations

from typing import Any, NamedTuple

from waitress.utilities import Error

CONNECTIONS_MOST = 500
RECEIVE_SECONDS = 20  # for all of a request, from its first byte on
TAKE_SECONDS = 15
TAKE_LEAST = 10_000 * TAKE_SECONDS  # bytes of what waits to be sent that have to be taken in that time


class RequestTimeoutError(Error):
    code = 408
    reason = "Request Timeout"


class Progress(NamedTuple):
    """How much a client had taken of its answers, and how much waited for it, at some time."""

    at: float
    sent: int
    waiting: int


def look_after(server: Any, now: float) -> None:
    """End what has made others wait for too long. Once a second, by the server's main loop."""
    for channel in list(server.active_channels.values()):
        if channel.request is not None and now - channel.request.began > RECEIVE_SECONDS:
            channel.refuse(RequestTimeoutError(f"This request was not complete after {RECEIVE_SECONDS} s"))
        elif is_slow(channel, now) or is_idle(channel, now):
            channel.handle_close()  # which ends the stream that a thread may be writing, and its transaction


def is_slow(channel: Any, now: float) -> bool:
    """Whether less than `TAKE_LEAST` was taken in the last `TAKE_SECONDS`, of what waited all the time."""
    waiting, before = channel.total_outbufs_len, channel.progress
    if not waiting:
        channel.progress = None
    elif before is None:
        channel.progress = Progress(now, channel.sent_bytes, waiting)
    elif now - before.at >= TAKE_SECONDS:
        if channel.sent_bytes - before.sent < min(TAKE_LEAST, before.waiting):
            return True
        channel.progress = Progress(now, channel.sent_bytes, waiting)
    return False


def is_idle(channel: Any, now: float) -> bool:
    return not channel.requests and channel.last_activity < now - channel.adj.channel_timeout


def make_room(server: Any) -> None:
    """Where all places are taken, the one leaves that has been sending its request for longest, else the idlest.

    A client that is served never does. So who fills the places with requests that don't end gets
    in the way of nobody but their own.
    """
    channels = server.active_channels.values()
    if len(channels) < CONNECTIONS_MOST:
        return
    receiving = [channel for channel in channels if channel.request is not None and not channel.requests]
    unused = [channel for channel in channels if channel.request is None and not channel.requests]
    if receiving:
        min(receiving, key=lambda channel: channel.request.began).handle_close()
    elif unused:
        min(unused, key=lambda channel: channel.last_activity).handle_close()
