"""What the source says around a line: the loops it is in, and whether a memory keeps it from running.

A query in a loop runs for each row, unless it sits behind a look into a memory (`if key not in seen`,
`except KeyError`, `functools.cache`): then it runs for each *new* row, and few rows prove nothing.
"""

from __future__ import annotations

import ast
import functools
import linecache
import sys
import threading
from collections.abc import Iterator
from types import CodeType
from typing import Any

from querybudget.frames import Owner, owner_of

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS = (ast.For, ast.AsyncFor)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_MAPPERS = frozenset({"map", "filter", "sorted", "max", "min"})

FILES = 64
"""Syntax trees that are kept: one of 1,000 lines takes megabytes, and what is asked of a line is remembered."""

ALL_OF = "*"
"""Before a name: not the row itself, but the list of all of them."""

INPUT = "*input"
"""Stands for a loop over what a client sent."""


@functools.cache
def loop_variables(file: str, line: int, column: int | None = None, *, own: bool = False) -> tuple[str, ...]:
    """Names that the loops around a place assign in each round, innermost loop last.

    Before a loop's names stands what it goes through: `ALL_OF` a name, or `INPUT`. Of comprehensions and
    lambdas only those count that are at work: all of the line in a frame of their `own`, else those that
    hold the `column`. A part of a comprehension that is being asked for its rows has no row yet.
    """
    names: list[str] = []
    for node in _around(file, line):
        if isinstance(node, _LOOPS) and line >= node.body[0].lineno:
            names += [*_gone_through(file, line, node.iter), *_names(node.target)]
        elif isinstance(node, _COMPREHENSIONS) and (own or _is_inlined(node, line, column)):
            for part in node.generators:
                if _holds(part.iter, line, column) or (_starts(node, line, column) and part is node.generators[-1]):
                    break
                names += [*_gone_through(file, line, part.iter), *_names(part.target)]
        elif own and isinstance(node, ast.Call) and getattr(node.func, "id", "") in _MAPPERS:
            functions = [*node.args, *(keyword.value for keyword in node.keywords)]
            names += [one.arg for each in functions if isinstance(each, ast.Lambda) for one in each.args.args]
    return tuple(names)


def _gone_through(file: str, line: int, rows: ast.expr) -> Iterator[str]:
    if _is_input(rows):
        yield INPUT
    elif isinstance(rows, ast.Name):
        yield ALL_OF + rows.id
        before = [node for node in _around(file, line) if isinstance(node, _FUNCTIONS)][-1:]
        for node in (one for function in before for one in ast.walk(function)):
            if isinstance(node, ast.Assign) and any(getattr(target, "id", "") == rows.id for target in node.targets):
                yield from [INPUT] * _is_input(node.value)


_SENT = frozenset({"validated_data", "initial_data", "cleaned_data"})
_SENT_WITH_REQUEST = frozenset({"data", "body", "GET", "POST"})


def _is_input(value: ast.expr) -> bool:
    """Whether an expression reads what a client sent; the fields of one object are no rows."""
    if getattr(getattr(value, "func", None), "attr", "") in ("items", "keys", "values"):
        return False
    for node in ast.walk(value):
        if getattr(node, "id", getattr(node, "attr", "")) in _SENT:
            return True
        if isinstance(node, ast.Attribute) and node.attr in _SENT_WITH_REQUEST:
            return "request" in (getattr(node.value, "id", ""), getattr(node.value, "attr", ""))
    return False


@functools.cache
def has_comprehension(file: str, line: int) -> bool:
    """Whether a line is in a comprehension."""
    return any(isinstance(node, _COMPREHENSIONS) for node in _around(file, line))


def _is_inlined(node: Any, line: int, column: int | None) -> bool:
    """Whether a comprehension runs in the function's own frame, as from Python 3.12 on, and is at work."""
    generator = isinstance(node, ast.GeneratorExp)
    return not generator and not _starts(node, line, column) and _holds(node, line, column)


def _starts(node: Any, line: int, column: int | None) -> bool:
    """Whether a place is that of the comprehension as a whole: Python 3.11 says so of asking for rows."""
    return (node.lineno, node.col_offset) == (line, column)


@functools.cache
def calls_next(file: str, line: int) -> bool:
    """Whether a line asks for one row by `next()`, which is no loop."""
    return any(isinstance(node, ast.Call) and getattr(node.func, "id", "") == "next" for node in _around(file, line))


def _holds(node: Any, line: int, column: int | None) -> bool:
    if column is None:
        return False
    return (node.lineno, node.col_offset) <= (line, column) < (node.end_lineno, node.end_col_offset)


@functools.cache
def remembers(file: str, line: int, *, in_loop: bool) -> bool:
    """Whether a line runs only when a memory says so; with `in_loop` one that the loop around it asks."""
    nodes = list(_around(file, line))
    if in_loop:
        loops = [index for index, node in enumerate(nodes) if isinstance(node, (*_LOOPS, *_COMPREHENSIONS))]
        nodes = nodes[loops[-1] :] if loops else nodes
    return any(_asks_memory(node, line) for node in nodes) or any(_left_early(node, line) for node in nodes)


@functools.cache
def declaration(owner: type, name: str | None) -> tuple[str, int] | None:
    """File and line where a serializer class, or a parent of it, says that it has the field `name`.

    Where only `Meta.fields` names it, that line; where nothing does, and for no name, the line of the class. None for
    classes whose source can't be found, and for those of libraries.
    """
    known: tuple[str, int] | None = None
    for parent in owner.__mro__:
        file = getattr(sys.modules.get(parent.__module__), "__file__", None)
        if file is None or owner_of(file) is not Owner.APPLICATION:
            continue
        found = next((node for node in _nodes(file) if _is_class(node, parent)), None)
        if found is None:
            continue
        known = known or (file, found.lineno)
        if name and (
            named := [node for node in _nodes(file) if node in set(ast.walk(found)) and _declares(node, name)]
        ):
            return file, named[0].lineno
    return known


def _is_class(node: ast.AST, owner: type) -> bool:
    return isinstance(node, ast.ClassDef) and node.name == owner.__name__


def _declares(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Assign):
        return any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
    return isinstance(node, ast.Constant) and node.value == name


def is_memoised(code: CodeType, names: dict[str, Any]) -> bool:
    """Whether `code` is the body of a module's function under `functools.cache` or `lru_cache`."""
    return isinstance(names.get(code.co_name), functools._lru_cache_wrapper)


def _around(file: str, line: int) -> Iterator[Any]:
    """The nodes that contain a line, outermost first, from the function on that it is in."""
    found: list[ast.AST] = []
    for node in _nodes(file):
        if node.lineno <= line <= (node.end_lineno or node.lineno):
            if isinstance(node, _FUNCTIONS):
                found.clear()
            found.append(node)
    yield from found


_parsing = threading.Lock()  # in two threads at once, CPython 3.11 may fail: "AST constructor recursion depth mismatch"


@functools.lru_cache(FILES)
def _nodes(file: str) -> list[Any]:
    """The nodes of a file that have a place, each after what contains it; none if it is no Python."""
    try:
        with _parsing:
            tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return []
    placed = [node for node in ast.walk(tree) if hasattr(node, "lineno")]
    return sorted(placed, key=lambda node: (node.lineno, -node.end_lineno))


def _names(target: ast.AST) -> list[str]:
    return [node.id for node in ast.walk(target) if isinstance(node, ast.Name)]


def _asks_memory(node: ast.AST, line: int) -> bool:
    if isinstance(node, ast.If):
        return line >= node.body[0].lineno and _looks_up(node.test)
    if isinstance(node, ast.IfExp):
        return _looks_up(node.test)
    if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.Or):
        return isinstance(node.values[0], (ast.Name, ast.Attribute, ast.Subscript)) or _looks_up(node.values[0])
    return isinstance(node, ast.ExceptHandler)


def _left_early(node: ast.AST, line: int) -> bool:
    """Whether an earlier statement of the same block leaves when a memory has the answer."""
    for statement in getattr(node, "body", None) or () if not isinstance(node, ast.Lambda) else ():
        before = isinstance(statement, ast.stmt) and (statement.end_lineno or statement.lineno) < line
        if before and isinstance(statement, ast.If) and _looks_up(statement.test) and _leaves(statement):
            return True
        if before and isinstance(statement, ast.Try) and _leaves(statement):
            return True
    return False


def _leaves(statement: ast.stmt) -> bool:
    return any(isinstance(node, (ast.Return, ast.Continue, ast.Break)) for node in ast.walk(statement))


def _looks_up(test: ast.AST) -> bool:
    """`x in seen`, `x is None`, `hasattr(…)`, `seen.get(…)`, `not value`, `(value := …)`."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and any(
            isinstance(op, (ast.In, ast.NotIn, ast.Is, ast.IsNot)) for op in node.ops
        ):
            return True
        if isinstance(node, ast.Call) and (
            getattr(node.func, "id", "") == "hasattr" or getattr(node.func, "attr", "") == "get"
        ):
            return True
        if isinstance(node, ast.NamedExpr):
            return True
        if (
            isinstance(node, ast.UnaryOp)
            and isinstance(node.op, ast.Not)
            and isinstance(node.operand, (ast.Name, ast.Attribute))
        ):
            return True
    return False
