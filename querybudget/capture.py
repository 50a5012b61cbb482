"""`watch()`: every query that a piece of code makes, on every database, sync or async.

    with watch() as seen:
        render(page)
    assert len(seen.counted) == 4

The open watch is kept in a `ContextVar`, which follows `await`, `sync_to_async` and, through
`threads`, threads that the watched code starts. Watches nest: a query belongs to each open one.
"""

from __future__ import annotations

from contextvars import Token
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from querybudget import hooks
from querybudget.context import everywhere, listening, open_watches
from querybudget.counting import Count
from querybudget.findings import Finding, find
from querybudget.hooks import UnseenQueriesError
from querybudget.origins import Origin
from querybudget.query import Query
from querybudget.reads import Audit, judge_reads, reading
from querybudget.tracing import tracing


@dataclass(slots=True, eq=False)
class Watch(Count):
    """What `watch()` returns; open it with `with` or `async with`.

    `queries`: in the order in which they ended; empty when `detail` is off. `count` and `seconds`:
    number and time of the queries that are not control statements. `audited`: what was fetched and read.
    `notes`: what the watched code said by `note`, as keys.
    `rows`: dictionaries and tuples of `values()` with their origins, by id, while it is open.
    """

    detail: bool = True
    process_wide: bool = False
    queries: list[Query] = field(default_factory=list)
    count: int = 0
    seconds: float = 0.0
    closed: bool = True
    audited: Audit | None = None
    rows: dict[int, tuple[object, Origin]] = field(default_factory=dict, repr=False)
    notes: dict[str, None] = field(default_factory=dict)
    _token: Token[tuple[Count, ...]] | None = field(default=None, repr=False)

    @property
    def counted(self) -> list[Query]:
        """The queries that count against a budget: all but control statements."""
        return [query for query in self.queries if query.kind != "control"]

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with the queries, dearest first; empty when `detail` is off."""
        found = find(self.queries)
        return found + judge_reads([self.audited]) if self.audited else found

    def open(self) -> None:
        """Start to see queries, namely those inside `resume` blocks."""
        hooks.acquire()
        try:
            hooks.check_sight()
        except UnseenQueriesError:
            hooks.release()
            raise
        if self.detail:
            tracing.acquire()
        if self.audited:
            reading.acquire()
        self.closed = False
        if self.process_wide:
            everywhere.append(self)

    def close(self) -> None:
        """Stop; harmless when closed already.

        Raises:
            UnseenQueriesError: something replaced the hook meanwhile, so that queries may be missing.
        """
        if self.closed:
            return
        self.closed = True
        self.rows.clear()
        if self.process_wide:
            everywhere.remove(self)
        in_place = hooks.in_place()
        hooks.release()
        if self.audited:
            reading.release()
            self.audited.close()
        if self.detail:
            tracing.release()
        if not in_place:
            raise UnseenQueriesError(
                "CursorWrapper._execute was replaced while a watch was open: queries may be missing"
            )

    def __enter__(self) -> Self:
        self.open()
        self._token = self.listen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._token is not None:
            listening.reset(self._token)
            self._token = None
        try:
            self.close()
        except UnseenQueriesError:
            if error is None:
                raise

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, traceback)


def watch(*, detail: bool = True, process_wide: bool = False, audit: bool = False) -> Watch:
    """A `Watch` on the code inside `with watch() as seen:`.

    Args:
        detail: keep a `Query` with shape and cause for each statement (at most 25 µs
            each); without, only `count` and `seconds` are kept (at most 2 µs).
        process_wide: also see the queries of threads that no watched code started, such as a pool
            that was there before. Every query of the process is then taken for the watched code's.
        audit: also follow which columns and relations are read, for the findings "over_fetch" and
            "unused_eager_load"; makes the watched code several times slower, and keeps its rows.
    """
    return Watch(detail=detail or audit, process_wide=process_wide, audited=Audit() if audit else None)


def note(line: str) -> None:
    """Say something of the code that runs now, in one line of the message of a test whose request breaks its budget.

    For what the queries don't show, such as why they are made at all. Where nobody watches it costs nothing.
    """
    for watch in open_watches():
        if watch.detail:
            watch.notes[line] = None
