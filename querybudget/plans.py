"""Reads that no index can serve, by the database's own plan.

On PostgreSQL the plan is made with sequential scans forbidden as far as the planner can: what is
scanned from end to end all the same, with a condition on it, has no index that would do, however few
rows a test has. On SQLite `EXPLAIN QUERY PLAN` tells a SCAN from a SEARCH.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.db import DatabaseError, connections, transaction
from django.db.models import Model

from querybudget.context import listening
from querybudget.findings import Finding
from querybudget.query import Query


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
    connection = connections[query.alias]
    explain = {"postgresql": _scanned_postgresql, "sqlite": _scanned_sqlite}.get(connection.vendor)
    if explain is None:
        return []
    token = listening.set(())
    try:
        with transaction.atomic(using=query.alias), connection.cursor() as cursor:
            return explain(cursor, query)
    except DatabaseError:
        return []
    finally:
        listening.reset(token)


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
