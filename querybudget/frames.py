"""Which line of the application a query came from.

The stack is walked with `sys._getframe`: `traceback.extract_stack` costs 90 to 210 µs a call, this
2 to 5. Whether a file belongs to the application, to a library or to this package is decided once
for each file.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path

import asgiref.sync
import django


@dataclass(frozen=True, slots=True)
class Location:
    """A line of a file; `library` says that no line of the application was on the stack."""

    file: str
    line: int
    library: bool = False

    def __str__(self) -> str:
        """`file:line`, relative to the current folder, or from the package on for a library."""
        return f"{_shown(self.file, self.library, os.getcwd())}:{self.line}"  # noqa: PTH109


@cache
def _shown(file: str, library: bool, current: str) -> str:
    path = os.path.abspath(file)  # noqa: PTH100 - folds "..", follows no link
    folders = _LIBRARY_FOLDERS if library else [current + os.sep]
    return next((path.removeprefix(folder) for folder in folders if path.startswith(folder)), path)


class _Owner(Enum):
    APPLICATION = "application"
    LIBRARY = "library"
    PLUMBING = "plumbing"  # Django's own database layer, this package: never worth naming
    ENTRY = "entry"  # where a request enters; what lies above is the test or the server
    BRIDGE = "bridge"  # where `sync_to_async` runs a function in a thread; what awaits it is no frame above


_HERE = os.path.abspath(os.path.dirname(__file__)) + os.sep  # noqa: PTH100, PTH120 - not resolved, as in frames
_ENTRIES = frozenset({_HERE + "requests.py"})
_OWN_TESTS = _HERE + "tests" + os.sep
_DJANGO_DB = str(Path(django.__file__).parent / "db") + os.sep
_LIBRARY_FOLDERS = sorted(
    {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {str(Path(django.__file__).parents[1]) + os.sep},
    key=len,
    reverse=True,
)
_PACKAGE_FOLDERS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")

_BRIDGE = asgiref.sync.__file__
_IN_THREAD = "thread_handler"
_CALLS_WRAPPERS = "_execute_with_wrappers"

_owners: dict[str, _Owner] = {}

awaited_from: ContextVar[Location | None] = ContextVar("querybudget_awaited_from", default=None)
"""The line that awaits the function which `sync_to_async` runs in this context."""


def application_frame(depth: int = 1, *, past_wrappers: bool = False) -> Location | None:
    """The innermost line of the application, not looking beyond the request's entry.

    Where the request ran library code only (a session, an authentication backend), the innermost
    line outside Django's database layer, marked as `library`. `depth` frames are skipped, and with
    `past_wrappers` also those of the functions that `connection.execute_wrapper` put around the
    statement: they see every query and cause none.
    """
    frame = sys._getframe(depth)
    while past_wrappers and frame is not None:
        past_wrappers = frame.f_code.co_name != _CALLS_WRAPPERS
        frame = frame.f_back  # type: ignore[assignment]
    library = None
    while frame is not None:
        file = frame.f_code.co_filename
        owner = _owners.get(file) or _own(file)
        if owner is _Owner.APPLICATION:
            return Location(file, frame.f_lineno)
        if owner is _Owner.ENTRY:
            break
        if owner is _Owner.BRIDGE and frame.f_code.co_name == _IN_THREAD:
            return awaited_from.get()
        if owner is _Owner.LIBRARY and library is None:
            library = (file, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return Location(*library, library=True) if library else None


def _own(file: str) -> _Owner:
    _owners[file] = owner = _owner(file)
    return owner


def _owner(file: str) -> _Owner:
    if file.startswith("<"):
        return _Owner.PLUMBING
    path = os.path.abspath(file)  # noqa: PTH100 - folds "..", follows no link
    if path in _ENTRIES:
        return _Owner.ENTRY
    if file == _BRIDGE:
        return _Owner.BRIDGE
    if path.startswith(_OWN_TESTS):
        return _Owner.APPLICATION
    if path.startswith((_HERE, _DJANGO_DB)) or os.path.basename(path) == "contextlib.py":  # noqa: PTH119
        return _Owner.PLUMBING
    if path.startswith(tuple(_LIBRARY_FOLDERS)) or any(part in path for part in _PACKAGE_FOLDERS):
        return _Owner.LIBRARY
    return _Owner.APPLICATION
