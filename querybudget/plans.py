"""Reads that no index can serve, by the database's own plan.

On PostgreSQL the plan is made with sequential scans forbidden as far as the planner can: what is
scanned from end to end all the same, with a condition on it, has no index that would do, however few
rows a test has. On SQLite `EXPLAIN QUERY PLAN` tells a SCAN from a SEARCH. The plan that is shown to
people is the one that the database would really take.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.db import DatabaseError, NotSupportedError, connections, transaction
from django.db.models import Model

from querybudget.context import bound, listening
from querybudget.findings import Finding
from querybudget.query import Query
from querybudget.shape import statement


def missing_indexes(queries: Iterable[Query]) -> list[Finding]:
    """The findings about the plans of `queries`, a shape and database once; asks the database for each.

    Runs in the transaction that is open, so that it sees the rows and settings that the queries saw.
    Statements that can't be explained (several at once, gone tables) are passed over.
    """
    shapes: dict[tuple[str, str], list[Query]] = {}
    for query in queries:
        if query.kind == "read" and query.statement.tables:
            shapes.setdefault((query.alias, query.shape), []).append(query)
    return [finding for group in shapes.values() for finding in _missing(group)]


def _missing(group: list[Query]) -> Iterator[Finding]:
    query = group[0]
    for table, columns in scanned(query):
        model = _model_of(table)
        fields = [_field_of(model, column) for column in columns] if model else columns
        names = ", ".join(f'"{name}"' for name in fields)
        where = f" in {model.__name__}.Meta.indexes" if model else f" on {table}"
        yield Finding(
            kind="missing_index",
            count=len(group),
            relation=f"{model._meta.label}.{fields[0]}" if model else "",
            path=query.cause.path,
            location=str(query.location or "?"),
            what=f"scan of {table} by {', '.join(fields)}",
            message=f"no index serves the condition on {table}.{', '.join(columns)}: every row is read",
            advice=f"models.Index(fields=[{names}]){where}",
            label=query.label,
            shape=query.shape,
            fields=query.cause.fields,
        )


def scanned(query: Query) -> list[tuple[str, list[str]]]:
    """Tables that the plan of a query reads from end to end, with the columns it compares there."""
    explain = {"postgresql": _scanned_postgresql, "sqlite": _scanned_sqlite}.get(connections[query.alias].vendor)
    if explain is None:
        return []
    try:
        with _asking(query) as cursor:
            return explain(cursor, query)
    except DatabaseError:
        return []


def plan_of(query: Query, *, parameters: bool = False) -> str | None:
    """The plan of a read as text, without values unless `parameters`; None where the database gives none.

    The statement itself is not run.
    """
    if query.kind != "read":
        return None
    connection = connections[query.alias]
    try:
        explain = connection.ops.explain_query_prefix()
        with _asking(query) as cursor:
            cursor.execute(f"{explain} {query.sql}", query.parameters)
            rows = cursor.fetchall()
    except (DatabaseError, NotSupportedError):
        return None
    lines = list(_indented(rows)) if connection.vendor == "sqlite" else [" ".join(map(str, row)) for row in rows]
    return "\n".join(lines if parameters else map(_without_values, lines))


def _indented(rows: Iterable[Any]) -> Iterator[str]:
    """SQLite's rows (id, parent, unused, text): a step to the right of the parent's."""
    depths = {0: -1}
    for number, parent, _, text in rows:
        depths[number] = depths.get(parent, -1) + 1
        yield "  " * depths[number] + text


_CONDITION = re.compile(r"^( +(?:->  )?[A-Z][\w ]*: )(?!\d+$)(.*)$")
"""PostgreSQL's lines that may hold a value: "Filter: (name = 'Ada'::text)"; none of its figures' lines."""


def _without_values(line: str) -> str:
    match = _CONDITION.match(line)
    return match[1] + statement(match[2]).shape if match else line


@contextlib.contextmanager
def _asking(query: Query) -> Iterator[Any]:
    """A cursor for `query`'s database that no watch sees and whose failure breaks no transaction around it."""
    with bound(listening, ()), transaction.atomic(using=query.alias), connections[query.alias].cursor() as cursor:
        yield cursor


def _scanned_postgresql(cursor: Any, query: Query) -> list[tuple[str, list[str]]]:
    cursor.execute("SET LOCAL enable_seqscan = off")
    cursor.execute(f"EXPLAIN (FORMAT JSON) {query.sql}", query.parameters)
    plan = cursor.fetchone()[0]
    cursor.execute("SET LOCAL enable_seqscan = on")
    nodes = _nodes((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
    found = []
    for node in nodes:
        if node["Node Type"] == "Seq Scan" and "Filter" in node:
            columns = _columns_in(node["Filter"], query.shape, node["Relation Name"])
            if columns:
                found.append((node["Relation Name"], columns))
    return found


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def _columns_in(condition: str, shape: str, table: str) -> list[str]:
    """The columns that a plan's filter compares, in the order of the statement."""
    return [column for column in _compared(shape, table) if re.search(rf"\b{re.escape(column)}\b", condition)]


def _scanned_sqlite(cursor: Any, query: Query) -> list[tuple[str, list[str]]]:
    cursor.execute(f"EXPLAIN QUERY PLAN {query.sql}", query.parameters)
    scans = [re.match(r"SCAN (?:TABLE )?(\w+)$", row[3]) for row in cursor.fetchall()]
    found = [(scan[1], _compared(query.shape, scan[1])) for scan in scans if scan]
    return [(table, columns) for table, columns in found if columns]


_WHERE = re.compile(r" WHERE (.*?)(?: GROUP BY | ORDER BY | LIMIT |$)", re.DOTALL)


def _compared(shape: str, table: str) -> list[str]:
    """Columns of a table that the WHERE clause compares with a value; those of equality first."""
    where = _WHERE.search(shape)
    if where is None:
        return []
    column = rf'"{re.escape(table)}"\."(\w+)"'
    equal = re.findall(rf"{column} (?:= \?|IN \()", where[1])
    other = re.findall(rf"{column} (?:[<>]=?|BETWEEN) ", where[1])
    return list(dict.fromkeys([*equal, *other]))


def _model_of(table: str) -> type[Model] | None:
    return next((model for model in apps.get_models(include_auto_created=True) if model._meta.db_table == table), None)


def _field_of(model: type[Model], column: str) -> str:
    return next((one.name for one in model._meta.concrete_fields if one.column == column), column)
