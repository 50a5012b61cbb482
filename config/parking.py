"""Requests that wait for a place in a bulkhead, outside of the threads.

The application has answered 503 to them (`api.bulkhead`), before it wrote anything. That answer is not sent: the
request is run again, from the beginning, when somebody has left, or after `WAIT_SECONDS` with whatever comes of it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from api.bulkhead import FULL, Bulkhead, Full
from config.lanes import WAIT_SECONDS

PATIENT = "parking.patient"
"""The key of a WSGI environment whose request may yet wait."""


class Parked(BaseException):
    """Ends a request's run in waitress, which answers any Exception. `full`: why."""

    def __init__(self, full: Full) -> None:
        super().__init__()
        self.full = full


def unless_full(application: Any) -> Any:
    """A WSGI application whose refusals by a bulkhead are raised, as Parked, while the request may wait."""

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        body = application(environ, start_response)
        full = environ.get(FULL)
        if full is None or not environ.get(PATIENT):
            return body
        if hasattr(body, "close"):
            body.close()
        raise Parked(full)

    return call


class Parking:
    """The channels that wait, by what they wait for. `run`: puts one among the tasks of the server again."""

    def __init__(self, run: Callable[[Any], None]) -> None:
        self.run = run
        self._lock = threading.Lock()
        self._waiting: dict[tuple[Bulkhead, Hashable], deque[Any]] = {}

    def serve(self, bulkhead: Bulkhead, most: int) -> None:
        bulkhead.most, bulkhead.left = most, lambda key: self.leave((bulkhead, key))

    def park(self, channel: Any, full: Full) -> None:
        """Who comes again, as somebody else was quicker, waits in front."""
        with self._lock:
            waiting = self._waiting.setdefault((full.bulkhead, full.key), deque())
            if channel.parked_at is None:
                channel.parked_at = time.monotonic()
                waiting.append(channel)
            else:
                waiting.appendleft(channel)
        if full.bulkhead.has_room(full.key):  # since then
            self.leave((full.bulkhead, full.key))

    def leave(self, place: tuple[Bulkhead, Hashable]) -> None:
        if place not in self._waiting:  # as nearly always
            return
        with self._lock:
            waiting = self._waiting.get(place)
            channel = waiting.popleft() if waiting else None
            if not waiting:
                self._waiting.pop(place, None)
        if channel:
            self.run(channel)

    def run_late(self) -> None:
        """Run those that have waited for `WAIT_SECONDS` once more, for good."""
        before = time.monotonic() - WAIT_SECONDS
        with self._lock:
            late = [each for waiting in self._waiting.values() for each in waiting if each.parked_at < before]
            for place, waiting in list(self._waiting.items()):
                self._waiting[place] = deque(each for each in waiting if each not in late)
                if not self._waiting[place]:
                    del self._waiting[place]
        for channel in late:
            channel.patient = False
            self.run(channel)
