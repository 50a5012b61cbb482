"""What this process has served since it started: for each endpoint the dearest request, and how it grows.

Bounded, whatever clients send: one point for each power of two of the answer's size, and at most
`MOST` endpoints, as a client may make methods up.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from itertools import count

from querybudget.documents import Document, Growth, document, endpoint_part
from querybudget.ledger import Ledger

MOST = 2000
"""Endpoints that are remembered."""

_lock = threading.RLock()


class Seen:
    """What is known of one endpoint, noted without a lock where there is nothing new.

    `dearest`: the most queries of the answers of each order of magnitude, 0 for the empty and streams; `sizes`: the
    bytes that such an answer had.
    """

    __slots__ = ("_looks", "_ticks", "dearest", "sizes")

    def __init__(self) -> None:
        self._ticks = count()  # to take one is a single operation, whatever other threads do
        self._looks = 0  # those that were not taken for a request
        self.dearest: dict[int, int] = {}
        self.sizes: dict[int, int] = {}

    def note(self, queries: int, size: int) -> None:
        """A request is over. `size`: bytes of the body, 0 for a stream."""
        if self.dearest.get(size.bit_length(), -1) < queries:
            self.rise(queries, size)
        next(self._ticks)

    def rise(self, queries: int, size: int) -> None:
        """Unless another thread has just noted a dearer one."""
        magnitude = size.bit_length()
        with _lock:
            if self.dearest.get(magnitude, -1) < queries:
                self.dearest[magnitude], self.sizes[magnitude] = queries, size

    @property
    def requests(self) -> int:
        with _lock:
            self._looks += 1
            return next(self._ticks) + 1 - self._looks

    def clear(self) -> None:
        with _lock:
            served = self.requests
            self._looks += served
            self.dearest.clear()
            self.sizes.clear()

    @property
    def worst(self) -> int:
        return max(self.dearest.values(), default=0)

    def growth(self) -> Growth:
        points = sorted((size, self.dearest[magnitude]) for magnitude, size in self.sizes.items() if magnitude)
        return {
            "by": "bytes",
            "slope": None,
            "line": None,
            "points": [{"size": size, "queries": queries, "test": None} for size, queries in points],
        }


class Traffic:
    """One for each process; what it knows is noted and asked for by any thread."""

    def __init__(self) -> None:
        self.since = datetime.now(UTC)
        self._seen: dict[str, Seen] = {}

    def seen(self, name: str) -> Seen:
        """Where requests to the endpoint `name` are noted; one that nobody asks for where there are too many."""
        with _lock:
            return self._seen.setdefault(name, Seen()) if len(self._seen) < MOST else self._seen.get(name, Seen())

    def served(self) -> dict[str, Seen]:
        """The endpoints that had a request."""
        with _lock:
            return {name: seen for name, seen in self._seen.items() if seen.requests}

    def document(self, ledger: Ledger) -> Document:
        """Each endpoint that was served, and then each other of the ledger."""
        served = self.served()
        with _lock:
            parts = [
                endpoint_part(name, ledger, queries=seen.worst, requests=seen.requests, growth=seen.growth())
                for name, seen in sorted(served.items())
            ]
        others = sorted(ledger.budgets.keys() - served.keys())
        return document("traffic", parts + [endpoint_part(name, ledger, requests=0) for name in others])

    def clear(self) -> None:
        """Forget everything; who notes goes on to."""
        with _lock:
            for seen in self._seen.values():
                seen.clear()


traffic = Traffic()
"""This process's."""
