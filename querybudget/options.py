"""`[tool.querybudget]` in the project's pyproject.toml.

    [tool.querybudget]
    ledger = "query-budgets.toml"
    ignore = ["* /admin/*", "GET /static/*"]

    [tool.querybudget.groups]
    "ANY /reports" = ["* /reports/*"]

Patterns are those of the shell (`*` also crosses slashes), matched against "METHOD /route/{id}".
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from querybudget.errors import UsageError

UNROUTED = "* (no route)"
"""Requests that no route matches are ignored, unless a group wants them."""


@dataclass(frozen=True, slots=True)
class Options:
    """Where the ledger is, and which endpoints it leaves out or books under a common name."""

    ledger: Path
    ignore: tuple[str, ...] = ()
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def booked_as(self, endpoint: str) -> str | None:
        """The ledger's name for an endpoint: its group's, its own, or None if it is ignored."""
        for group, patterns in self.groups.items():
            if _matches(endpoint, patterns):
                return group
        return None if _matches(endpoint, (*self.ignore, UNROUTED)) else endpoint


def _matches(endpoint: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(endpoint, pattern) for pattern in patterns)


def read_options(folder: Path) -> Options:
    """The options of the project in `folder`; the defaults where it says nothing.

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
    if unknown := sorted(table.keys() - {"ledger", "ignore", "groups"}):
        raise UsageError(f"{where} knows ledger, ignore and groups, not {', '.join(unknown)}")
    groups = table.get("groups", {})
    if not isinstance(groups, dict):
        raise UsageError(f"{where} groups must be a table of name = [patterns], not {groups!r}")
    ledger = table.get("ledger", "query-budgets.toml")
    if not isinstance(ledger, str):
        raise UsageError(f"{where} ledger must be a path, not {ledger!r}")
    return Options(
        ledger=folder / ledger,
        ignore=_patterns(table.get("ignore", []), f"{where} ignore"),
        groups={name: _patterns(patterns, f"{where} groups.{name!r}") for name, patterns in groups.items()},
    )


def _patterns(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(pattern, str) for pattern in value):
        raise UsageError(f"{where} must be a list of patterns such as 'GET /admin/*', not {value!r}")
    return tuple(value)
