"""The ledger: `query-budgets.toml`, one table for each endpoint, read and changed in place.

    ["GET /api/orders"]
    queries = 3
    shapes = [
      "read auth_user",
      "read shop_order, shop_office ×2",
    ]
    known = [{ shape = "read shop_address", per_row = 1.0 }]
    single = true

`queries`: the budget, without control statements and without the `known` shapes. `shapes`: what the
dearest request seen is made of, for reviewers; nothing is enforced by it. `known`: an N+1 that is
tolerated for now, at most `per_row` queries for each row of the result it belongs to. `single`: the
endpoint never reads two rows by nature, so that a test with one row proves its budget.

Comments and hand edits survive; tables are sorted by path, then method, then variant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import Array

from querybudget.errors import UsageError
from querybudget.variants import plain

HEADER = """\
# Query budgets: for each endpoint, how many queries one request may make.
# Written by `pytest --query-budgets=update`; read its changes like code.
"""


@dataclass(frozen=True, slots=True)
class Budget:
    """What the ledger says of one endpoint; `known` maps a shape's label to its queries per row."""

    queries: int
    shapes: tuple[str, ...] = ()
    known: dict[str, float] = field(default_factory=dict)
    single: bool = False


class Ledger:
    """The budgets of a file. Changes stay in memory until `save`.

    The text is kept in one piece for each table, with the comment right above it; tomlkit changes a
    piece without disturbing the rest of it.
    """

    def __init__(self, path: Path) -> None:
        """Read `path`; a file that does not exist is an empty ledger.

        Raises:
            UsageError: the file is no TOML or says something that no ledger says.
        """
        self.path = path
        try:
            self._text = path.read_text("utf-8") if path.exists() else ""
            document = tomlkit.parse(self._text)
        except (OSError, UnicodeDecodeError, TOMLKitError) as error:
            raise UsageError(f"{path.name}: {error}") from error
        self.budgets = {name: _budget(table, f"{path.name}: [{_quoted(name)}]") for name, table in document.items()}
        self._preamble, self._pieces = _split(self._text)
        if unread := self.budgets.keys() ^ self._pieces.keys():
            raise UsageError(f"{path.name}: write the header of {min(unread)!r} on one line of its own")

    def line_of(self, endpoint: str) -> int | None:
        """The line of the file, from 1, on which the endpoint's table starts."""
        for number, line in enumerate(self._text.splitlines(), 1):
            if _name_in(line) == endpoint:
                return number
        return None

    def set(self, endpoint: str, queries: int, shapes: Iterable[str]) -> None:
        """Write the budget and the shapes of an endpoint; whatever else its table has is kept."""
        shapes = tuple(shapes)
        old = self.budgets.get(endpoint, Budget(queries))
        document = tomlkit.parse(self._pieces.get(endpoint, f"[{_quoted(endpoint)}]\n"))
        table: Any = document[endpoint]
        if table.get("queries") != queries:
            table["queries"] = queries
        if "shapes" not in table or tuple(table["shapes"]) != shapes:
            table["shapes"] = _array(shapes, _comments(table["shapes"]) if "shapes" in table else {})
        self._pieces[endpoint] = tomlkit.dumps(document)
        self.budgets[endpoint] = Budget(queries, shapes, old.known, old.single)

    def delete(self, endpoint: str) -> None:
        """Take an endpoint out, with the comments above and inside its table."""
        del self._pieces[endpoint]
        del self.budgets[endpoint]

    def save(self) -> bool:
        """Write the file, sorted; False if nothing changed."""
        pieces = [self._pieces[name].strip() + "\n" for name in sorted(self._pieces, key=_by_path)]
        text = "\n".join([self._preamble.strip() + "\n", *pieces])
        if text == self._text or not (self._text or self._pieces):
            return False
        self.path.write_text(text, "utf-8")
        self._text = text
        return True


def _by_path(endpoint: str) -> tuple[str, str, str]:
    method, _, path = plain(endpoint).partition(" ")
    return path, method, endpoint


_TABLE_HEADER = re.compile(r"\s*\[\s*(?:\"(?:[^\"\\]|\\.)*\"|'[^']*'|[\w-]+)\s*\]\s*(?:#.*)?$")


def _name_in(line: str) -> str | None:
    """The table's name if `line` is a table header."""
    return next(iter(tomlkit.parse(line))) if _TABLE_HEADER.match(line) else None


def _split(text: str) -> tuple[str, dict[str, str]]:
    """What stands above the first table, and each table's text with the comment right above it."""
    preamble: list[str] = []
    pieces: dict[str, list[str]] = {}
    lines = preamble
    for line in text.splitlines(keepends=True):
        if name := _name_in(line):
            above: list[str] = []
            while lines and lines[-1].lstrip().startswith("#"):
                above.insert(0, lines.pop())
            lines = pieces[name] = above
        lines.append(line)
    return "".join(preamble) or HEADER, {name: "".join(piece) for name, piece in pieces.items()}


_COMMENTED_ITEM = re.compile(r"\s*\"(.*?)\"\s*,?\s*#\s*(.*)$")


def _comments(array: Array) -> dict[str, str]:
    """The comment behind each item of a list that has one."""
    lines = map(_COMMENTED_ITEM.match, array.as_string().splitlines())
    return {match[1]: match[2] for match in lines if match}


def _array(items: tuple[str, ...], comments: dict[str, str]) -> Array:
    array = tomlkit.array()
    for item in items:
        array.add_line(item, indent="  ", comment=comments.get(item))
    if items:
        array.add_line(indent="")
    return array


def _quoted(name: str) -> str:
    return tomlkit.string(name).as_string()


def _budget(table: Any, where: str) -> Budget:
    """A table of the ledger, checked.

    Raises:
        UsageError: naming the table, the key and its value.
    """
    if not isinstance(table, dict) or "queries" not in table:
        raise UsageError(f"{where} needs queries = N")
    if unknown := sorted(table.keys() - {"queries", "shapes", "known", "single"}):
        raise UsageError(f"{where} knows queries, shapes, known and single, not {', '.join(unknown)}")
    queries, shapes, single = table["queries"], table.get("shapes", []), table.get("single", False)
    if not isinstance(queries, int) or isinstance(queries, bool) or queries < 0:
        raise UsageError(f"{where} queries must be a whole number from 0, not {queries!r}")
    if not isinstance(shapes, list) or not all(isinstance(shape, str) for shape in shapes):
        raise UsageError(f"{where} shapes must be a list of strings, not {shapes!r}")
    if not isinstance(single, bool):
        raise UsageError(f"{where} single must be true or false, not {single!r}")
    known = table.get("known", [])
    if not isinstance(known, list) or not all(map(_is_known, known)):
        raise UsageError(f'{where} known must be a list of {{ shape = "read table", per_row = 1.0 }}, not {known!r}')
    return Budget(
        int(queries), tuple(map(str, shapes)), {str(one["shape"]): float(one["per_row"]) for one in known}, bool(single)
    )


def _is_known(entry: Any) -> bool:
    return (
        isinstance(entry, dict)
        and entry.keys() == {"shape", "per_row"}
        and isinstance(entry["shape"], str)
        and isinstance(entry["per_row"], int | float)
    )
