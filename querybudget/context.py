"""What holds for a piece of code: the watches around it, beside those of the whole process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from querybudget.capture import Watch
    from querybudget.counting import Count

T = TypeVar("T")

listening: ContextVar[tuple[Count, ...]] = ContextVar("querybudget_watches", default=())
"""The watches around this context, outermost first; some may be closed already."""

everywhere: list[Watch] = []
"""The open watches that see the whole process."""


def open_watches() -> tuple[Count, ...]:
    """The watches around this context that still see queries."""
    return tuple(watch for watch in listening.get() if not watch.closed)


def carried_watches() -> tuple[Count, ...]:
    """The same, for another thread that does a part of this context's work."""
    watches = open_watches()
    for watch in watches:
        watch.carried = True
    return watches


@contextmanager
def bound(variable: ContextVar[T], value: T) -> Iterator[None]:
    """Give `variable` a value for the block."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
