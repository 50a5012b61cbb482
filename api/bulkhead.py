"""At most so many requests at once that may have to wait for the same thing.

A bulkhead is entered by key, and refuses at once where it is full: a 503. The server, which knows a place for those who
wait, takes that back and asks again when somebody has left (`config.parking`).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any

from api.exceptions import Busy

FULL = "bulkhead.full"
"""The key of a WSGI environment whose request was refused: the exception is there."""
WAITED = "bulkhead.waited"
"""The same of one that was asked again since, and had been counted before."""


class Full(Busy):
    """503: others of the same kind are being answered."""

    default_detail = "Others are writing here, and more are waiting. Try again shortly."

    def __init__(self, bulkhead: Bulkhead, key: Hashable) -> None:
        super().__init__()
        self.bulkhead, self.key = bulkhead, key
        self.quota: Any = None  # that its request was counted against


class Bulkhead:
    """`most` at once for each key; any number while it is None. `left` is called with each key that somebody left."""

    def __init__(self) -> None:
        self.most: int | None = None
        self.left: Callable[[Hashable], None] = lambda key: None
        self._inside: Counter[Hashable] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def entered(self, key: Hashable) -> Iterator[None]:
        """Raises Full."""
        with self._lock:
            if self.most is not None and self._inside.get(key, 0) >= self.most:
                raise Full(self, key)
            self._inside[key] += 1
        try:
            yield
        finally:
            with self._lock:
                self._inside[key] -= 1
                if not self._inside[key]:
                    del self._inside[key]
            self.left(key)

    def has_room(self, key: Hashable) -> bool:
        return self.most is None or self._inside.get(key, 0) < self.most
