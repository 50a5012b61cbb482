"""Values that are worth keeping, by keys that clients choose."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

MOST = 1024  # entries
LONGEST = 2000  # characters of a key's text

V = TypeVar("V")

forgetting: list[Callable[[], None]] = []
"""What `forget` calls."""


def forget() -> None:
    """Let this process know nothing, as if it had just started: for tests."""
    for each in forgetting:
        each()


class Memo(Generic[V]):
    """At most `most` values; then it starts anew, which is simpler than to find the oldest, and as good here.

    A key is a thing and a text of the client's. A text over `LONGEST` is not kept:
    a query with 1,000 ids is rarely asked twice, and clients could fill the memory with them.
    """

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self._values: dict[Hashable, V] = {}
        forgetting.append(self._values.clear)

    def get(self, of: Hashable, text: str) -> V | None:
        return self._values.get((of, text))

    def keep(self, of: Hashable, text: str, value: V) -> V:
        if len(text) <= LONGEST:
            if len(self._values) >= self.most:
                self._values.clear()
            self._values[of, text] = value
        return value
