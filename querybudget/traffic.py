"""What this process has served since it started: for each endpoint the dearest request, and how it grows.

Bounded, whatever clients send: one point for each power of two of the answer's size, and at most
`MOST` endpoints, as a client may make methods up.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

from querybudget.documents import Document, Endpoint, Growth, document, endpoint_part
from querybudget.ledger import Ledger

MOST = 2000
"""Endpoints that are remembered."""

NONE = (0, -1)


@dataclass(slots=True)
class Seen:
    """`points`: bytes and queries of the dearest answer of each order of magnitude; 0 are the empty and streams."""

    requests: int = 0
    points: dict[int, tuple[int, int]] = field(default_factory=dict)

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
    """One for each process; `note` is called for each request, from any thread."""

    def __init__(self) -> None:
        self.since = datetime.now(UTC)
        self._seen: dict[str, Seen] = {}
        self._lock = threading.Lock()

    def note(self, name: str, queries: int, size: int) -> None:
        """A request to the endpoint `name` is over. `size`: bytes of the body, 0 for a stream."""
        with self._lock:
            seen = self._seen.get(name)
            if seen is None:
                if len(self._seen) >= MOST:
                    return
                seen = self._seen[name] = Seen()
            seen.requests += 1
            magnitude = size.bit_length()
            if seen.points.get(magnitude, NONE)[1] < queries:
                seen.points[magnitude] = size, queries

    def document(self, ledger: Ledger) -> Document:
        """Each endpoint that was served, and then each other of the ledger."""
        with self._lock:
            names = [*sorted(self._seen), *sorted(ledger.budgets.keys() - self._seen.keys())]
            return document("traffic", [self._endpoint(name, ledger) for name in names])

    def _endpoint(self, name: str, ledger: Ledger) -> Endpoint:
        seen = self._seen.get(name)
        if seen is None:
            return endpoint_part(name, ledger, requests=0)
        return endpoint_part(name, ledger, queries=seen.worst, requests=seen.requests, growth=seen.growth())

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._seen.clear()


traffic = Traffic()
"""This process's."""
