"""Whose code a file is, and how a line of it is named.

`causes` walks the stack with `sys._getframe`: `traceback.extract_stack` costs 90 to 210 µs a call.
"""

from __future__ import annotations

import os
import sysconfig
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


location = cache(Location)
"""A `Location`, made once for each line."""


@cache
def _shown(file: str, library: bool, current: str) -> str:
    path = os.path.abspath(file)  # noqa: PTH100 - folds "..", follows no link
    folders = _LIBRARY_FOLDERS if library else [current + os.sep]
    return next((path.removeprefix(folder) for folder in folders if path.startswith(folder)), path)


class Owner(Enum):
    """Whose code a file holds, for what is said of a stack."""

    APPLICATION = "application"
    LIBRARY = "library"
    PLUMBING = "plumbing"  # Django's own database layer, this package: never worth naming
    ENTRY = "entry"  # where a request enters; what lies above is the test or the server
    BRIDGE = "bridge"  # where `sync_to_async` runs a function in a thread; what awaits it is no frame above


_HERE = os.path.abspath(os.path.dirname(__file__)) + os.sep  # noqa: PTH100, PTH120 - not resolved, as in frames
_ENTRIES = frozenset({_HERE + "requests.py"})
_OWN_TESTS = _HERE + "tests" + os.sep
_DATABASE_LAYER = tuple(str(Path(django.__file__).parent / part) + os.sep for part in ("db", "contrib/contenttypes"))
_LIBRARY_FOLDERS = sorted(
    {sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {str(Path(django.__file__).parents[1]) + os.sep},
    key=len,
    reverse=True,
)
_PACKAGE_FOLDERS = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")

_BRIDGE = asgiref.sync.__file__
_owners: dict[str, Owner] = {}


def owner_of(file: str) -> Owner:
    """Whose code a file holds; decided once for each file."""
    owner = _owners.get(file)
    if owner is None:
        owner = _owners[file] = _owner(file)
    return owner


def _owner(file: str) -> Owner:
    if file.startswith("<"):
        return Owner.PLUMBING
    path = os.path.abspath(file)  # noqa: PTH100 - folds "..", follows no link
    if path in _ENTRIES:
        return Owner.ENTRY
    if file == _BRIDGE:
        return Owner.BRIDGE
    if path.startswith(_OWN_TESTS):
        return Owner.APPLICATION
    if path.startswith((_HERE, *_DATABASE_LAYER)) or os.path.basename(path) == "contextlib.py":  # noqa: PTH119
        return Owner.PLUMBING
    if path.startswith(tuple(_LIBRARY_FOLDERS)) or any(part in path for part in _PACKAGE_FOLDERS):
        return Owner.LIBRARY
    return Owner.APPLICATION
