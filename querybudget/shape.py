"""What a statement is, apart from its values: its kind, its tables, its shape.

Two executions that differ only in literals, whitespace or the length of a batch have one shape, so
that twenty lookups of twenty addresses count as one thing that happened twenty times, while a
prefetch of two rows and one of eight stay equal.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["read", "write", "control"]

CACHED_STATEMENTS = 4096
"""Distinct SQL strings that are remembered; beyond that the memory is emptied (f-string SQL is unbounded)."""


@dataclass(frozen=True, slots=True)
class Statement:
    """What can be said of a SQL string without running it.

    `kind`: "control" for savepoints, BEGIN, SET and the like, which never count against a budget.
    `shape`: the normalised statement. `tables`: in order of appearance, each once.
    """

    kind: Kind
    shape: str
    tables: tuple[str, ...]

    @property
    def label(self) -> str:
        """The short form that reviewers read: the verb and the tables, "read shop_order, shop_office"."""
        return f"{self.kind} {', '.join(self.tables) or '(no table)'}"


_statements: dict[str, Statement] = {}

counted: set[str] = set()
"""Those of the remembered SQL strings that are no control statements: the quick way to know."""


def statement(sql: str) -> Statement:
    """The `Statement` of a SQL string; the string itself is the key, it is parsed on a miss only."""
    known = _statements.get(sql)
    if known is None:
        if len(_statements) >= CACHED_STATEMENTS:
            _statements.clear()
            counted.clear()
        known = _statements[sql] = parse(sql)
        if known.kind != "control":
            counted.add(sql)
    return known


def parse(sql: str) -> Statement:
    """Normalise `sql` and name its kind and tables."""
    identifiers: dict[str, str] = {}
    words = [word for word in (_fold(match, identifiers) for match in _TOKEN.finditer(sql)) if word]
    shape = _fold_batches(_spaced(words))
    originals = {mark: identifier for identifier, mark in identifiers.items()}
    return Statement(
        kind=_kind(words),
        shape=_IDENTIFIER_MARK.sub(lambda match: originals[match[0]], shape),
        tables=_tables(words, originals),
    )


# A quoted identifier travels through the folding as one private-use character, so that no rule
# below can mistake what it contains for SQL.
_FIRST_MARK = 0xF0000
_IDENTIFIER_MARK = re.compile("[\U000f0000-\U000ffffd]")

_TOKEN = re.compile(
    r"""
      (?P<space>     \s+ | --[^\n]* | /\*.*?\*/ )
    | (?P<quoted>    "(?:[^"]|"")*" | `(?:[^`]|``)*` )
    | (?P<literal>   [eE]'(?:[^'\\]|\\.|'')*'
                   | (?:[bBnNxX]|[uU]&)?'(?:[^']|'')*'
                   | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$
                   | %s | %\(\w+\)s | \$\d+ | (?<!:):[A-Za-z_]\w* | \?(?![|&?])
                   | (?<![\w.])(?:0[xX][0-9a-fA-F]+|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?|\.\d+) )
    | (?P<word>      [^\W\d][\w$]* )
    | (?P<operator>  :: | [<>=!|&~@#*/+^-]+ | %% | . )
    """,
    re.VERBOSE | re.DOTALL,
)


def _fold(match: re.Match[str], identifiers: dict[str, str]) -> str:
    """One token: "?" for a literal or a parameter, a mark for a quoted identifier, "" for whitespace."""
    group, text = match.lastgroup, match[0]
    if group == "space":
        return ""
    if group == "quoted":
        return identifiers.setdefault(text, chr(_FIRST_MARK + len(identifiers)))
    if group in ("literal", "tag"):
        return "?"
    return text.upper() if group == "word" and text.upper() in _KEYWORDS else text


def _spaced(words: list[str]) -> str:
    """Tokens joined by one space, except where SQL is read without: `f(a, b.c)`."""
    text: list[str] = []
    before = ""
    for word in words:
        tight = before in ("", "(", "[", ".", "::") or word in (",", ")", "]", ".", ";", "::")
        called = word in ("(", "[") and before not in _KEYWORDS and (before[:1].isalnum() or before[:1] == "_")
        text.append(word if tight or called else f" {word}")
        before = word
    return "".join(text)


_LIST = re.compile(r"\?(?:, \?)+")
_ROWS = re.compile(r"\((\?…?)\)(?:, \((?:\?…?)\))+")
_IN = re.compile(r"IN \(\(*\?…?\)*\)")
_NAME = r"[\w.\U000f0000-\U000ffffd]+"
_ONE_COLUMN_IN = re.compile(rf"\(({_NAME})\) IN \(")
_ANY_OF_ONE = re.compile(rf"\(({_NAME}) = \?(?: OR \1 = \?)+\)")
_ANY_OF_MANY = re.compile(rf"\((\({_NAME} = \?(?: AND {_NAME} = \?)+\))(?: OR \1)+\)")
_WHENS = re.compile(
    rf"(WHEN (?:\({_NAME} = \?\)|{_NAME} = \?) THEN [^()]*?(?:\([^()]*\)[^()]*?)??)(?: \1)*(?= WHEN| ELSE| END)"
)


def _fold_batches(shape: str) -> str:
    """Batches of any length become one: IN lists, the two other ways to spell them, VALUES, CASE WHEN."""
    shape = _LIST.sub("?…", shape)
    shape = _ROWS.sub("(?…)", shape)
    shape = _IN.sub("IN (?…)", shape)
    shape = _ONE_COLUMN_IN.sub(r"\1 IN (", shape)
    shape = _ANY_OF_ONE.sub(r"\1 IN (?…)", shape)
    shape = _ANY_OF_MANY.sub(_composite_in, shape)
    return _WHENS.sub(r"\1 …", shape)


def _composite_in(match: re.Match[str]) -> str:
    columns = re.findall(rf"({_NAME}) = \?", match[1])
    return f"({', '.join(columns)}) IN (?…)"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_WRITES = _words(
    "INSERT UPDATE DELETE MERGE REPLACE UPSERT TRUNCATE COPY CREATE ALTER DROP CALL DO REFRESH GRANT REVOKE"
)
_CONTROL = _words(
    "SAVEPOINT RELEASE ROLLBACK BEGIN COMMIT START END ABORT SET RESET SHOW PRAGMA DISCARD DEALLOCATE "
    "PREPARE CLOSE LISTEN UNLISTEN USE"
)
_NO_TABLE_AFTER = _words("SELECT WHERE SET VALUES USING LATERAL ONLY TABLE AS ON STDIN STDOUT UNNEST SKIP NOWAIT OF")
_TABLE_FOLLOWS = _words("FROM JOIN INTO UPDATE TRUNCATE COPY USING")
_FUNCTIONS_WITH_FROM = _words("EXTRACT SUBSTRING TRIM OVERLAY POSITION")
_CLAUSES = _words(
    "WITH RECURSIVE DISTINCT FROM JOIN INNER LEFT RIGHT FULL OUTER CROSS NATURAL INTO GROUP ORDER BY HAVING LIMIT "
    "OFFSET UNION ALL EXCEPT INTERSECT AND OR NOT IN IS NULL LIKE EXISTS CASE WHEN THEN ELSE FOR RETURNING CONFLICT "
    "BETWEEN ASC DESC WINDOW FETCH"
)
_KEYWORDS = _WRITES | _CONTROL | _NO_TABLE_AFTER | _TABLE_FOLLOWS | _CLAUSES


def _kind(words: list[str]) -> Kind:
    """By the first word; a WITH is a write when the statement contains one."""
    first = next((word.upper() for word in words if word != "("), "")
    if first in _CONTROL:
        return "control"
    if first == "COPY":
        return "read" if "TO" in (word.upper() for word in words) else "write"
    if first == "WITH":
        wrote = any(
            word in ("INSERT", "UPDATE", "DELETE", "MERGE") and before not in ("FOR", "KEY")
            for before, word in zip(["", *words], words, strict=False)
        )
        return "write" if wrote else "read"
    return "write" if first in _WRITES else "read"


def _tables(words: list[str], originals: dict[str, str]) -> tuple[str, ...]:
    """Names after FROM, JOIN, INTO, UPDATE and the commas of a FROM list, without CTEs and functions."""
    found: dict[str, None] = {}
    ctes = set()
    open_from: list[bool] = [False]  # for each open parenthesis: are we in the table list of a FROM?
    function_from: list[bool] = [False]
    for index, word in enumerate(words):
        before = words[index - 1].upper() if index else ""
        if word == "(":
            function_from.append(before in _FUNCTIONS_WITH_FROM)
            open_from.append(False)
        elif word == ")" and len(open_from) > 1:
            function_from.pop()
            open_from.pop()
        elif word == "," and open_from[-1]:
            found.update(_table_at(words, index + 1, originals))
        elif word == "AS" and index + 1 < len(words) and words[index + 1] == "(":
            ctes.add(_plain(words[index - 1], originals))
        elif word in _CLAUSES - {"JOIN"} or word in ("WHERE", "SET", "VALUES", "ON", "SELECT"):
            open_from[-1] = False
        if word not in _TABLE_FOLLOWS or (word == "UPDATE" and before in ("FOR", "KEY", "DO")):
            continue
        if word == "FROM" and (function_from[-1] or before == "DISTINCT"):
            continue
        open_from[-1] = word in ("FROM", "USING")
        found.update(_table_at(words, index + 1, originals))
    return tuple(name for name in found if name not in ctes)


def _table_at(words: list[str], index: int, originals: dict[str, str]) -> dict[str, None]:
    """The table whose name starts at `index`, as {name: None}; empty where no table stands there."""
    introduced_by = words[index - 1]
    while index < len(words) and words[index].upper() in ("ONLY", "LATERAL", "TABLE"):
        index += 1
    if (
        index >= len(words)
        or words[index] in _KEYWORDS
        or not (words[index].isidentifier() or words[index] in originals)
    ):
        return {}
    name = _plain(words[index], originals)
    while words[index + 1 : index + 2] == ["."] and index + 2 < len(words):
        index += 2
        name = f"{name}.{_plain(words[index], originals)}"
    is_function = words[index + 1 : index + 2] == ["("] and introduced_by not in ("INTO", "COPY")
    return {} if is_function else {name: None}


def _plain(word: str, originals: dict[str, str]) -> str:
    return originals[word][1:-1] if word in originals else word
