"""The report as data: the same form for an audit, for a run of tests and for one captured request.

`report.schema.json` beside this file is its exact form, and README.md explains the fields. JSON is this
document as it is; `pages` makes HTML of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal, TypedDict

from querybudget.costs import field_costs
from querybudget.findings import FAILING, Finding
from querybudget.ledger import Ledger
from querybudget.query import Query

VERSION = 1
"""Of the form; raised when a field goes or changes its meaning, not when one is added."""

Kind = Literal["audit", "tests", "request", "traffic"]


class Call(TypedDict):
    """One execution. `number`: its place in the request, from 1. `parameters`: None where they are not shown."""

    number: int
    seconds: float
    rows: int
    parameters: str | None


class Statement(TypedDict):
    """The queries of one shape from one place, in order of the first. `seconds`, `rows`: of all calls."""

    alias: str
    kind: str
    label: str
    shape: str
    location: str | None
    operation: str
    relation: str | None
    path: str
    count: int
    rows: int
    seconds: float
    advice: list[str]
    plan: str | None
    calls: list[Call]


class Point(TypedDict):
    """One request: its `size` on the other axis, and the test that made it, if one did."""

    size: int
    queries: int
    test: str | None


class Growth(TypedDict):
    """Queries against the size of the answer.

    `by`: what the size counts. `slope`: queries for each row, None where nothing grows. `line`: two
    ends of that slope, each [size, queries].
    """

    by: Literal["rows", "bytes"]
    slope: float | None
    line: list[list[float]] | None
    points: list[Point]


class Detail(TypedDict):
    """What is known of one request from its queries."""

    rows: int
    seconds: float
    findings: list[dict[str, Any]]
    fields: list[dict[str, Any]]
    statements: list[Statement]


class Endpoint(TypedDict):
    """An endpoint, and the dearest request to it that was seen; what is not known is None."""

    endpoint: str
    request: str | None
    budget: int | None
    budget_line: str | None
    queries: int | None
    rows: int | None
    seconds: float | None
    status: int | None
    bytes: int | None
    test: str | None
    tests: int | None
    requests: int | None
    growth: Growth | None
    findings: list[dict[str, Any]]
    fields: list[dict[str, Any]]
    statements: list[Statement]


class Violation(TypedDict):
    """A request that failed a test. `message`: what the test says."""

    endpoint: str
    message: str


class Document(TypedDict):
    """`findings`: those that only all requests together show. `made`: ISO 8601, UTC."""

    version: int
    kind: Kind
    made: str
    endpoints: list[Endpoint]
    findings: list[dict[str, Any]]
    violations: list[Violation]


def document(
    kind: Kind,
    endpoints: Iterable[Endpoint],
    findings: Iterable[Finding] = (),
    violations: Iterable[Violation] = (),
) -> Document:
    """The whole document, made now."""
    return {
        "version": VERSION,
        "kind": kind,
        "made": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "endpoints": list(endpoints),
        "findings": [finding.as_dict() for finding in findings],
        "violations": list(violations),
    }


def endpoint_part(name: str, ledger: Ledger, detail: Detail | None = None, **known: Any) -> Endpoint:
    """The part about one endpoint. `name`: as the ledger has it. `known`: whatever else is, by field."""
    budget = ledger.budgets.get(name)
    found: Endpoint = {
        "endpoint": name,
        "request": None,
        "budget": budget.queries if budget else None,
        "budget_line": f"{ledger.path.name}:{ledger.line_of(name)}" if budget else None,
        "queries": None,
        "rows": None,
        "seconds": None,
        "status": None,
        "bytes": None,
        "test": None,
        "tests": None,
        "requests": None,
        "growth": None,
        "findings": [],
        "fields": [],
        "statements": [],
    }
    for values in (detail or {}, known):
        found.update(values)  # type: ignore[typeddict-item]
    return found


def detailed(
    queries: Sequence[Query],
    findings: Sequence[Finding],
    body: bytes = b"",
    *,
    plan: Callable[[Query], str | None] | None = None,
    parameters: bool = False,
) -> Detail:
    """What is known of a request that made `queries`. `plan`: asked for each statement; `parameters`: show them."""
    counted = [query for query in queries if query.kind != "control"]
    return {
        "rows": most_rows(counted),
        "seconds": sum(query.duration for query in counted),
        "findings": [finding.as_dict() for finding in findings],
        "fields": [asdict(cost) for cost in field_costs(counted, body)],
        "statements": _statements(counted, findings, plan, parameters),
    }


def most_rows(queries: Iterable[Query]) -> int:
    """The rows of the read that returned most."""
    return max((query.rows for query in queries if query.kind == "read"), default=0)


def growth_by_cause(queries: Sequence[Query], findings: Sequence[Finding]) -> Growth | None:
    """How one request would grow, told from its N+1s: what they make is for each row, the rest is once."""
    counted = [query for query in queries if query.kind != "control"]
    rows = most_rows(counted)
    looped = sum(finding.count for finding in findings if finding.kind in FAILING)
    if not rows:
        return None
    total = len(counted)
    return {
        "by": "rows",
        "slope": looped / rows if looped else None,
        "line": [[0, total - looped], [rows, total]] if looped else None,
        "points": [{"size": rows, "queries": total, "test": None}],
    }


def _statements(
    queries: Iterable[Query],
    findings: Sequence[Finding],
    plan: Callable[[Query], str | None] | None,
    parameters: bool,
) -> list[Statement]:
    groups: dict[tuple[str, ...], list[tuple[int, Query]]] = {}
    for number, query in enumerate(queries, 1):
        key = query.alias, query.shape, str(query.location), query.cause.path, query.cause.operation
        groups.setdefault(key, []).append((number, query))
    return [_statement(group, findings, plan, parameters) for group in groups.values()]


def _statement(
    group: list[tuple[int, Query]],
    findings: Sequence[Finding],
    plan: Callable[[Query], str | None] | None,
    parameters: bool,
) -> Statement:
    query, cause = group[0][1], group[0][1].cause
    place = str(query.location or "?"), cause.path
    about = [finding for finding in findings if (finding.location, finding.path) == place and finding.shape]
    return {
        "alias": query.alias,
        "kind": query.kind,
        "label": query.label,
        "shape": query.shape,
        "location": str(query.location) if query.location else None,
        "operation": cause.operation,
        "relation": f"{cause.relation[0]._meta.label}.{cause.relation[1]}" if cause.relation else None,
        "path": cause.path,
        "count": len(group),
        "rows": sum(one.rows for _, one in group),
        "seconds": sum(one.duration for _, one in group),
        "advice": list(dict.fromkeys(finding.advice for finding in about if finding.shape == query.shape)),
        "plan": plan(query) if plan else None,
        "calls": [
            {
                "number": number,
                "seconds": one.duration,
                "rows": one.rows,
                "parameters": repr(one.parameters) if parameters and one.parameters is not None else None,
            }
            for number, one in group
        ],
    }
