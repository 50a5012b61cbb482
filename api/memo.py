"""Values that are worth keeping, by keys that clients choose."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

MOST = 1024  # entries
LONGEST = 2000  # characters of a key's text

V = TypeVar("V")


class Memo(Generic[V]):
    """At most `MOST` values; then it starts anew, which is simpler than to find the oldest, and as good here.

    Threads may fill one entry at once, each with an equal value. A key's text over `LONGEST` is not kept:
    a query with 1,000 ids is rarely asked twice, and clients could fill the memory with them.
    """

    def __init__(self) -> None:
        self._values: dict[Hashable, V] = {}

    def get(self, of: Hashable, text: str, make: Callable[[], V]) -> V:
        """The value for `of` and `text`, made where it is not known; what `make` raises is not kept."""
        value = self._values.get((of, text))
        if value is None:
            value = make()
            if len(text) <= LONGEST:
                if len(self._values) >= MOST:
                    self._values.clear()
                self._values[of, text] = value
        return value
