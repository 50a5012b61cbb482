"""`[tool.querybudget]` in the project's pyproject.toml.

    [tool.querybudget]
    ledger = "query-budgets.toml"
    database = "postgresql"
    ignore = ["* /admin/*", "GET /static/*"]
    loops = "report"

    [tool.querybudget.groups]
    "ANY /reports" = ["* /reports/*"]

    [tool.querybudget.variants]
    "304" = { status = 304 }
    hit = { header = "Cache-Status: *hit*" }
    "expand=events" = { query = "expand=*events*" }

Patterns are those of the shell (`*` also crosses slashes), matched against "METHOD /route/{id}".
A request is booked under the first variant that it matches, if any: "METHOD /route/{id} [hit]".
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import connection

from querybudget.errors import UsageError
from querybudget.variants import Variant, with_variant

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

VENDORS = ("postgresql", "mysql", "oracle", "sqlite")
"""As `connection.vendor` names them."""

UNROUTED = "* (no route)"
"""Requests that no route matches are ignored, unless a group wants them."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where the ledger is, and which endpoints it leaves out, books under a common name or splits.

    `database`: the vendor, as Django names it, that the budgets are for; "" if they are for any.
    `loops_fail`: an N+1 within the budget fails the test; otherwise it is only listed at the end.
    """

    ledger: Path
    ignore: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)
    variants: tuple[Variant, ...] = ()
    loops_fail: bool = True
    database: str = ""

    def not_held(self) -> str:
        """Why budgets are not held against anybody on this process's default database; "" where they are."""
        used = connection.vendor
        if self.database in ("", used):
            return ""
        return f"budgets are what {self.database} needs, and this process uses {used}"

    def booked_as(self, endpoint: str) -> str | None:
        """The ledger's name for an endpoint: its group's, its own, or None if it is ignored."""
        for group, patterns in self.groups.items():
            if _matches(endpoint, patterns):
                return group
        return None if _matches(endpoint, (*self.ignore, UNROUTED)) else endpoint

    def variant_of(self, booked: str, request: HttpRequest, response: HttpResponseBase | None) -> str:
        """`booked`, or its variant that this request to it was."""
        found = next((variant for variant in self.variants if variant.matches(request, response)), None)
        return with_variant(booked, found.name) if found else booked


@lru_cache(maxsize=10_000)  # for each request, and clients may make methods up
def _matches(endpoint: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(endpoint, pattern) for pattern in patterns)


def read_options(folder: Path, other: str | None = None) -> Options:
    """The options of the project in `folder`, the defaults where it says nothing; `other` names another ledger.

    Raises:
        UsageError: pyproject.toml is no TOML, or a setting is unknown or of the wrong type.
    """
    pyproject = folder / "pyproject.toml"
    table: dict[str, Any] = {}
    if pyproject.exists():
        try:
            table = tomllib.loads(pyproject.read_text("utf-8")).get("tool", {}).get("querybudget", {})
        except ValueError as error:
            raise UsageError(f"{pyproject}: {error}") from error
    where = f"{pyproject}: [tool.querybudget]"
    if unknown := sorted(table.keys() - {"ledger", "database", "ignore", "groups", "variants", "loops"}):
        raise UsageError(
            f"{where} knows ledger, database, ignore, groups, variants and loops, not {', '.join(unknown)}"
        )
    groups = table.get("groups", {})
    if not isinstance(groups, dict):
        raise UsageError(f"{where} groups must be a table of name = [patterns], not {groups!r}")
    ledger = other or table.get("ledger", "query-budgets.toml")
    if not isinstance(ledger, str):
        raise UsageError(f"{where} ledger must be a path, not {ledger!r}")
    database = table.get("database", "")
    if database not in ("", *VENDORS):
        raise UsageError(f"{where} database must be one of {', '.join(VENDORS)}, not {database!r}")
    loops = table.get("loops", "fail")
    if loops not in ("fail", "report"):
        raise UsageError(f"{where} loops must be 'fail' or 'report', not {loops!r}")
    return Options(
        ledger=folder / ledger,
        ignore=_patterns(table.get("ignore", []), f"{where} ignore"),
        groups={name: _patterns(patterns, f"{where} groups.{name!r}") for name, patterns in groups.items()},
        variants=_variants(table.get("variants", {}), f"{where} variants"),
        loops_fail=loops == "fail",
        database=database,
    )


def _patterns(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(pattern, str) for pattern in value):
        raise UsageError(f"{where} must be a list of patterns such as 'GET /admin/*', not {value!r}")
    return tuple(value)


_CONDITIONS: dict[str, tuple[type, str]] = {
    "status": (int, "304"),
    "header": (str, "'Cache-Status: *hit*'"),
    "query": (str, "'expand=*'"),
}


def _variants(value: Any, where: str) -> tuple[Variant, ...]:
    if not isinstance(value, dict):
        raise UsageError(f"{where} must be a table of name = {{ status, header, query }}, not {value!r}")
    return tuple(_variant(name, conditions, f"{where}.{name}") for name, conditions in value.items())


def _variant(name: str, conditions: Any, where: str) -> Variant:
    if not isinstance(conditions, dict) or not conditions or not conditions.keys() <= _CONDITIONS.keys():
        raise UsageError(f"{where} must be a table of status, header or query, not {conditions!r}")
    for key, condition in conditions.items():
        kind, example = _CONDITIONS[key]
        if type(condition) is not kind or (key == "header" and ":" not in str(condition)):
            raise UsageError(f"{where}.{key} must be like {example}, not {condition!r}")
    return Variant(name, **conditions)
