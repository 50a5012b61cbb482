"""What this process has served since it started: for each endpoint the dearest request, and how it grows.

Bounded, whatever clients send: one point for each power of two of the answer's size, and at most
`MOST` endpoints, as a client may make methods up.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

from querybudget.documents import Document, Growth, document, endpoint_part
from querybudget.ledger import Ledger

MOST = 2000
"""Endpoints that are remembered."""

NONE = (0, -1)

_lock = threading.Lock()


@dataclass(slots=True)
class Seen:
    """What is known of one endpoint.

    `points`: bytes and queries of the dearest answer of each order of magnitude; 0 are the empty and streams.
    """

    requests: int = 0
    points: dict[int, tuple[int, int]] = field(default_factory=dict)

    def note(self, queries: int, size: int) -> None:
        """A request is over. `size`: bytes of the body, 0 for a stream."""
        magnitude = size.bit_length()
        with _lock:
            self.requests += 1
            if self.points.get(magnitude, NONE)[1] < queries:
                self.points[magnitude] = size, queries

    def clear(self) -> None:
        self.requests = 0
        self.points.clear()

    @property
    def worst(self) -> int:
        return max(queries for _, queries in self.points.values())

    def growth(self) -> Growth:
        points = sorted(point for magnitude, point in self.points.items() if magnitude)
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
