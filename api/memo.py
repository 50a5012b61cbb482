"""Values that are worth keeping, by keys that clients choose: bounded in number and in bytes."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable, Hashable
from functools import _CacheInfo, update_wrapper
from sys import getsizeof
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from django.db.models import Field
from django.db.models.options import Options

MOST = 1024  # entries
LONGEST = 2000  # characters of a key's text
ROOM = 3_000_000  # bytes of one memo's values
SHARE = 16  # part of the room that one value may take
SHARED = type, ModuleType, FunctionType, BuiltinFunctionType, Field, Options  # which nobody has of their own

P = ParamSpec("P")
V = TypeVar("V")
V_co = TypeVar("V_co", covariant=True)

forgetting: list[Callable[[], None]] = []
"""What `forget` calls."""


def forget() -> None:
    """Let this process know nothing, as if it had just started: for tests."""
    for each in forgetting:
        each()


class Entry:
    __slots__ = ("size", "used")

    def __init__(self, size: int) -> None:
        self.size, self.used = size, False


class Memo(Generic[V]):
    """At most `most` values, of `room` bytes; what was not asked for since it was last looked at goes first.

    A key is a thing and a text of the client's. A text over `LONGEST` is not kept:
    a query with 1,000 ids is rarely asked twice, and clients could fill the memory with them. Nor is a value that takes
    more than a sixteenth of the room. For any thread.
    """

    def __init__(self, most: int = MOST, room: int = ROOM) -> None:
        self.most, self.room = most, room
        self.size = 0
        self._values: dict[Hashable, V] = {}
        self._entries: dict[Hashable, Entry] = {}
        self._lock = threading.Lock()
        forgetting.append(self.clear)

    def get(self, of: Hashable, text: str) -> V | None:
        found = self._values.get((of, text))
        if found is not None:
            entry = self._entries.get((of, text))  # None: another thread dropped it
            if entry:
                entry.used = True
        return found

    def keep(self, of: Hashable, text: str, value: V, size: int | None = None) -> V:
        """`value`, whose `size` in bytes is measured where it is not given."""
        key, taken = (of, text), (size_of(value) if size is None else size) + 4 * len(text) + 300
        if len(text) <= LONGEST and taken <= self.room // SHARE:
            with self._lock:
                self._drop(key)
                while self._values and (len(self._values) >= self.most or self.size + taken > self.room):
                    self._drop_one()
                self._entries[key], self._values[key] = Entry(taken), value
                self.size += taken
        return value

    def clear(self) -> None:
        with self._lock:
            self._values.clear()
            self._entries.clear()
            self.size = 0

    def _drop(self, key: Hashable) -> None:
        if self._values.pop(key, None) is not None:
            self.size -= self._entries.pop(key).size

    def _drop_one(self) -> None:
        """The oldest; one that was used since it came to be that has another turn."""
        key = next(iter(self._values))
        if not self._entries[key].used:
            return self._drop(key)
        self._entries[key].used = False
        self._values[key] = self._values.pop(key)  # behind all others
        return None


class Memoised(Protocol[P, V_co]):
    """A function of this module's decorator; the last two are those of `functools.lru_cache`."""

    memo: Memo[Any]

    def __call__(self, *args: P.args, **named: P.kwargs) -> V_co: ...
    def cache_clear(self) -> None: ...
    def cache_info(self) -> Any: ...


def memoised(
    room: int = ROOM,
    *,
    most: int = MOST,
    key: Callable[..., Hashable] | None = None,
    size: Callable[..., int] | None = None,
) -> Callable[[Callable[P, V]], Memoised[P, V]]:
    """`functools.lru_cache` with a bound in bytes, for functions that never return None.

    `key`: of its arguments, where they are not to be held. `size`: of what it returned and its arguments.
    """

    def decorate(function: Callable[P, V]) -> Memoised[P, V]:
        memo: Memo[V] = Memo(most, room)
        forgetting.remove(memo.clear)
        missed = [0]

        def known(*args: P.args, **named: P.kwargs) -> V:
            of = key(*args, **named) if key else (args, *named.items())
            found = memo.get(of, "")
            if found is None:
                missed[0] += 1
                found = function(*args, **named)
                taken = size(found, *args, **named) if size else size_of((found, None if key else of))
                memo.keep(of, "", found, taken)
            return found

        made: Any = update_wrapper(known, function)
        made.memo, made.cache_clear = memo, memo.clear
        made.cache_info = lambda: _CacheInfo(0, missed[0], most, len(memo._values))
        return made  # type: ignore[no-any-return]

    return decorate


def size_of(value: Any) -> int:
    """Bytes of memory that go with `value`: of all it leads to but code and models. 1 ms for 1,000 objects."""
    seen: set[int] = set()
    ahead, size = [value], 0
    while ahead:
        each = ahead.pop()
        if id(each) not in seen and not isinstance(each, SHARED):
            seen.add(id(each))
            size += getsizeof(each)
            ahead += gc.get_referents(each)
    return size
