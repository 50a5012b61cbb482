"""What is wrong with the queries of a watch, told from their causes.

Repetition alone is only a suspicion. A query is one of an N+1 when it starts from an instance that has,
or could have had, siblings, or when it runs in the body of a loop over rows: with one row as well as
with fifty.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from querybudget.advice import Advice, Change, advise_read, advise_write
from querybudget.causes import Cause
from querybudget.loops import SENT, Loop
from querybudget.query import Query
from querybudget.syntax import is_memoised, remembers

Kind = Literal["n_plus_one", "write_n_plus_one", "duplicate", "unused_eager_load", "over_fetch", "missing_index"]

FAILING: frozenset[Kind] = frozenset({"n_plus_one", "write_n_plus_one"})
"""The kinds that fail a test by themselves."""

ENOUGH = 4
"""Queries from which on a loop that looks into a memory first may be called one; see `_runs_each_round`."""

_WRITES = frozenset({"save", "create", "delete", "update", "get_or_create", "update_or_create", "add", "set", "remove"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    `count`: queries that it makes (rows or columns for what was over-fetched). `relation`:
    "app.Model.name", or "" where no relation is followed. `path`: the place in the response,
    "OrderSerializer.office.company", or "". `location`: "file:line". `what`: a few words for a table,
    `message` the sentence. `advice`: what to write instead. `label`, `shape`: those of the first query.
    `fields`: the field names of the path.
    `change`: the advice in a form that `fix` can try.
    """

    kind: Kind
    count: int
    relation: str
    path: str
    location: str
    what: str
    message: str
    advice: str
    label: str = ""
    shape: str = ""
    fields: tuple[str, ...] = ()
    change: Change | None = field(default=None, repr=False, compare=False)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: the fields above but `change`, which is True where `fix` can try it."""
        names = ("kind", "count", "relation", "path", "location", "what", "message", "advice", "label", "shape")
        return {name: getattr(self, name) for name in names} | {"fixable": self.change is not None}


def find(queries: Iterable[Query]) -> list[Finding]:
    """The findings about queries and their causes, dearest first."""
    counted = [query for query in queries if query.kind != "control"]
    groups: dict[tuple[Any, ...], list[Query]] = {}
    for query in counted:
        kind = _kind(query)
        if kind is not None:
            groups.setdefault((kind, *_key(query, kind)), []).append(query)
    found = []
    told: set[int] = set()
    for (kind, *_), group in groups.items():
        if _runs_each_round(group):
            told.update(map(id, group))
            found.append(_finding(kind, group))
    found += _duplicates([query for query in counted if id(query) not in told])
    return sorted(found, key=lambda finding: -finding.count)


def _kind(query: Query) -> Literal["n_plus_one", "write_n_plus_one"] | None:
    """What the query would be one of, if it runs in each round; None if it belongs to no loop."""
    cause = query.cause
    if cause.remembered or cause.peers:
        return None
    writes = query.kind == "write" or cause.operation in _WRITES
    if writes:
        return "write_n_plus_one" if cause.loop is not None or cause.each_item else None
    if cause.origin is not None and cause.origin.many:
        return "n_plus_one"
    if cause.operation in ("lazy load", "deferred column"):
        return None  # the instance is a single one, and keeps what was loaded
    return "n_plus_one" if cause.loop is not None or cause.each_item else None


def _key(query: Query, kind: str) -> tuple[Any, ...]:
    cause = query.cause
    if kind == "write_n_plus_one":
        return query.alias, cause.operation or query.shape, str(cause.location), cause.path
    what = cause.relation or query.shape
    return query.alias, what, cause.operation, str(cause.location), cause.path


def _runs_each_round(group: list[Query]) -> bool:
    """Whether the queries were made for each row, and not for a new key or a full batch now and then.

    A query that starts from an instance with siblings is made for each by nature. Of others at least
    every second row must have made one, and behind a look into a memory at least `ENOUGH` in all.
    """
    first = group[0].cause
    if first.each_item or (first.origin is not None and first.origin.many):
        return True
    loops = {id(query.cause.loop): query.cause.loop for query in group if isinstance(query.cause.loop, Loop)}
    rows = sum(loop.rows for loop in loops.values())
    times = max(_count_by_shape(group).values())
    if rows and times * 2 < rows:
        return False
    return not _asks_memory(first) or (times >= ENOUGH and rows > 0)


def _count_by_shape(group: list[Query]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for query in group:
        counts[query.shape] = counts.get(query.shape, 0) + 1
    return counts


def _asks_memory(cause: Cause) -> bool:
    for code, line, names in cause.inside:
        is_loop = cause.loop_line is not None and code is cause.loop_line[0]
        if remembers(code.co_filename, line, in_loop=is_loop) or (not is_loop and is_memoised(code, names)):
            return True
    return False


def _finding(kind: Literal["n_plus_one", "write_n_plus_one"], group: list[Query]) -> Finding:
    query = group[0]
    cause = query.cause
    advice: Advice = advise_write(cause, query.sql) if kind == "write_n_plus_one" else advise_read(cause)
    what = _what(kind, query)
    if kind == "n_plus_one" and len(group) > 1 and len({_parameters(one) for one in group}) == 1:
        what = f"identical: {what}"
    return Finding(
        kind=kind,
        count=len(group),
        relation=f"{cause.relation[0]._meta.label}.{cause.relation[1]}" if cause.relation else "",
        path=cause.path,
        location=str(cause.location or "?"),
        what=what,
        message=f"{_queries(len(group))}, one for each row: {what}",
        advice=advice.text,
        label=query.label,
        shape=query.shape,
        fields=cause.fields,
        change=advice.change,
    )


def _what(kind: str, query: Query) -> str:
    cause = query.cause
    if kind == "write_n_plus_one":
        return f"{cause.operation or query.kind} of each row: {', '.join(query.statement.tables)}"
    if cause.relation is not None:
        model, name = cause.relation
        each = f"of each {model._meta.verbose_name}"
        if cause.operation in ("count", "exists"):
            return f"{cause.operation}() of {name} {each}"
        return f"{name.replace('_', ' ')} {each}"
    if cause.operation == "refresh_from_db" and cause.subject is not None:
        return f"refresh of each {cause.subject._meta.verbose_name}"
    each = "item" if cause.each_item or cause.loop is SENT else "row"
    return f"{', '.join(query.statement.tables) or 'a query'} for each {each}"


def _duplicates(queries: list[Query]) -> Iterator[Finding]:
    """Reads that were made again with the same parameters, with no write to their tables in between.

    Two objects that are got by key at two places, and happen to be the same one, are right.
    """
    written: dict[str, int] = {}
    groups: dict[tuple[Any, ...], list[Query]] = {}
    for query in queries:
        if query.kind == "write":
            for table in query.statement.tables:
                written[table] = written.get(table, 0) + 1
            continue
        state = tuple(written.get(table, 0) for table in query.statement.tables)
        groups.setdefault((query.alias, query.sql, _parameters(query), state), []).append(query)
    for group in groups.values():
        query, cause = group[0], group[0].cause
        singles = len(group) == 2 and cause.operation in ("get", "lazy load")
        if len(group) == 1 or singles:
            continue
        places = sorted({str(one.location or "?") for one in group})
        yield Finding(
            kind="duplicate",
            count=len(group),
            relation=f"{cause.relation[0]._meta.label}.{cause.relation[1]}" if cause.relation else "",
            path=cause.path,
            location=str(cause.location or "?"),
            what=f"identical: {', '.join(query.statement.tables) or 'a query'}",
            message=f"{_queries(len(group))} with the same parameters, from {', '.join(places)}",
            advice="ask once, and hand the answer on",
            label=query.label,
            shape=query.shape,
            fields=cause.fields,
        )


def _parameters(query: Query) -> str:
    return repr(query.parameters)


def _queries(count: int) -> str:
    return "1 query" if count == 1 else f"{count} queries"
