"""A number of queries and the time they took: all that a server keeps of an ordinary request's queries.

While a request waits for its queries all else runs, and what is touched next has to come back into the processor's
caches first, which takes up to ten times as long as to run it: 1.5 µs for each function more, as much for a float that
is written, 0.3 for an attribute (measured). So where nothing but a number is wanted, `hooks` and `middleware` do in one
function each what has functions of its own elsewhere.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import Token
from time import perf_counter
from typing import TYPE_CHECKING

from querybudget.context import listening, open_watches

if TYPE_CHECKING:
    from querybudget.origins import Origin
    from querybudget.query import Query
    from querybudget.reads import Audit


class Count:
    """`count` and `seconds` of the queries that are no control statements, in blocks of `resume`, until it is closed.

    It wants none of what a `Watch` may have beside them. The hooks have to be in place already. `started`: when, by
    `perf_counter`. `carried`: whether other threads have it too, which may count after it is closed.
    """

    __slots__ = ("carried", "closed", "count", "seconds", "started")

    detail: bool = False
    process_wide: bool = False
    audited: Audit | None = None
    queries: list[Query]  # with `detail` only, as `rows` and `notes`
    rows: dict[int, tuple[object, Origin]]
    notes: dict[str, None]

    def __init__(self, count: int = 0, seconds: float = 0.0) -> None:
        self.count, self.seconds, self.closed, self.carried = count, seconds, False, False
        self.started = perf_counter()

    def open(self) -> None:
        """Start, or go on."""
        self.closed = False

    def close(self) -> None:
        """Stop; harmless when closed already."""
        self.closed = True

    @contextlib.contextmanager
    def resume(self) -> Iterator[None]:
        """See the queries of this block too; used for each piece of a streamed body."""
        token = self.listen()
        try:
            yield
        finally:
            listening.reset(token)

    def listen(self) -> Token[tuple[Count, ...]]:
        """See the queries of this context until `listening` is reset by the token."""
        around = open_watches()
        if self.process_wide or self in around:
            return listening.set(around)
        return listening.set((*around, self))
