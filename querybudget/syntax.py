"""What the source says around a line: the loops it is in, and whether a memory keeps it from running.

A query in a loop runs for each row, unless it sits behind a look into a memory (`if key not in seen`,
`except KeyError`, `functools.cache`): then it runs for each *new* row, and few rows prove nothing.
"""

from __future__ import annotations

import ast
import functools
import linecache
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

from querybudget.frames import Owner, owner_of

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_LOOPS = (ast.For, ast.AsyncFor)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@functools.cache
def loop_variables(file: str, line: int, column: int | None = None) -> tuple[str, ...]:
    """Names that the loops around a line assign in each round, innermost loop last.

    A comprehension's count where its own frame is at work (`column` None), or, from Python 3.12 on, in
    the function's frame at a column that is not in what the comprehension goes through; -1 is no column.
    """
    names: list[str] = []
    for node in _around(file, line):
        if isinstance(node, _LOOPS) and line >= node.body[0].lineno:
            names += _names(node.target)
        elif isinstance(node, _COMPREHENSIONS) and (column is None or _is_in_round(node, line, column)):
            names += [name for generator in node.generators for name in _names(generator.target)]
    return tuple(names)


@functools.cache
def has_comprehension(file: str, line: int) -> bool:
    """Whether a line is in a comprehension."""
    return any(isinstance(node, _COMPREHENSIONS) for node in _around(file, line))


def _is_in_round(node: Any, line: int, column: int) -> bool:
    if column < 0 or isinstance(node, ast.GeneratorExp):
        return False
    start, rows = (line, column), node.generators[0].iter
    inside = (node.lineno, node.col_offset) < start < (node.end_lineno, node.end_col_offset)
    return inside and not (rows.lineno, rows.col_offset) <= start < (rows.end_lineno, rows.end_col_offset)


@functools.cache
def remembers(file: str, line: int, *, in_loop: bool) -> bool:
    """Whether a line runs only when a memory says so; with `in_loop` one that the loop around it asks."""
    nodes = list(_around(file, line))
    if in_loop:
        loops = [index for index, node in enumerate(nodes) if isinstance(node, (*_LOOPS, *_COMPREHENSIONS))]
        nodes = nodes[loops[-1] :] if loops else nodes
    return any(_asks_memory(node, line) for node in nodes) or any(_left_early(node, line) for node in nodes)


@functools.cache
def declaration(owner: type, name: str) -> tuple[str, int] | None:
    """File and line where a serializer class, or a parent of it, says that it has the field `name`.

    Where only `Meta.fields` names it, that line; where nothing does, the line of the class. None for
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
        if named := [node for node in _nodes(file) if node in set(ast.walk(found)) and _declares(node, name)]:
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


@functools.cache
def _nodes(file: str) -> list[Any]:
    """The nodes of a file that have a place, each after what contains it; none if it is no Python."""
    try:
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
