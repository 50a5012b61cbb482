"""Loops over the rows of a query, while they run.

Between handing out a row and being asked for the next, an iteration is `suspended`: what runs then,
below the frame that consumes it, runs once for each row. That is how a query in a loop is told from a
query that merely repeats.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

from querybudget.context import everywhere, listening
from querybudget.frames import Owner, owner_of
from querybudget.origins import could_return_several
from querybudget.syntax import calls_next


@dataclass(slots=True, eq=False)
class Loop:
    """Somebody goes through the rows of a query. `frame`: the id of the consumer's frame. `rows`: so far."""

    query: Any
    frame: int = 0
    rows: int = 0

    _many: bool | None = None

    @property
    def many(self) -> bool:
        """Whether there could be several rows to go through."""
        if self._many is None:
            self._many = self.query is None or could_return_several(self.query)
        return self._many


SENT = Loop(None)
"""The loop over what a client sent."""

suspended: list[Loop] = []
"""The iterations of all threads that wait to be asked for their next row."""


def following(original: Any) -> Any:
    """`QuerySet.__iter__` and `iterator`: the rows, while it is noted who goes through them."""

    def iterate(self: Any, *arguments: Any, **named: Any) -> Any:
        rows = original(self, *arguments, **named)
        if not (listening.get() or everywhere):
            return rows
        caller = sys._getframe(1).f_code
        if owner_of(caller.co_filename) is Owner.PLUMBING and caller.co_name != "manager_method":
            return rows
        return _followed(Loop(_query_of(self)), iter(rows))

    return iterate


def following_async(original: Any) -> Any:
    """`QuerySet.__aiter__` and `aiterator`."""

    def iterate(self: Any, *arguments: Any, **named: Any) -> Any:
        rows = original(self, *arguments, **named)
        return _followed_async(Loop(_query_of(self)), rows) if listening.get() or everywhere else rows

    return iterate


def _query_of(queryset: Any) -> Any:
    """None for a raw queryset, of whose SQL nothing is known."""
    return queryset.query if hasattr(queryset.query, "where") else None


def _followed(loop: Loop, rows: Iterator[Any]) -> Iterator[Any]:
    for row in rows:
        frame = sys._getframe(1)
        if calls_next(frame.f_code.co_filename, frame.f_lineno):
            yield row
            continue
        loop.frame = id(frame)
        loop.rows += 1
        suspended.append(loop)
        try:
            yield row
        finally:
            suspended.remove(loop)


async def _followed_async(loop: Loop, rows: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for row in rows:
        loop.frame = id(sys._getframe(1))
        loop.rows += 1
        suspended.append(loop)
        try:
            yield row
        finally:
            suspended.remove(loop)
