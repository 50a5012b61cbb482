"""Who is watching: the watches around a piece of code, and those of the whole process."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from querybudget.capture import Watch

listening: ContextVar[tuple[Watch, ...]] = ContextVar("querybudget_watches", default=())
"""The watches around this context, outermost first; some may be closed already."""

everywhere: list[Watch] = []
"""The open watches that see the whole process."""


def open_watches() -> tuple[Watch, ...]:
    """The watches around this context that still see queries."""
    return tuple(watch for watch in listening.get() if not watch.closed)
