"""What GitHub shows beside the lines of a change: `::error file=…,line=…,title=…::…`.

The form is that of its workflow commands: a command is a line of a job's output.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from querybudget.verdict import Violation


def commands(violations: Iterable[Violation], folders: Iterable[Path] = ()) -> Iterator[str]:
    """A command for each endpoint and line, for the worst of its violations; worst first.

    `folders`: where a violation's files may be, beside the working directory.
    """
    told: set[tuple[str, str]] = set()
    for violation in sorted(violations, key=lambda one: (-one.excess, one.endpoint, one.text)):
        file, line = _place(violation, [Path.cwd(), *folders])
        if (violation.endpoint, f"{file}:{line}") not in told:
            told.add((violation.endpoint, f"{file}:{line}"))
            title, _, text = violation.message.partition("\n")
            place = f"file={_property(file)},line={line}," if file else ""
            yield f"::error {place}title={_property(' '.join(title.split()))}::{_data(text.strip(chr(10)) or title)}"


def _place(violation: Violation, folders: Iterable[Path]) -> tuple[str, str]:
    """The first of its places that is a file here, as GitHub names it: from the checkout's folder on."""
    root = Path(os.environ.get("GITHUB_WORKSPACE", ".")).resolve()
    for place in violation.places:
        name, _, line = place.rpartition(":")
        for folder in folders:
            path = (folder / name).resolve()
            if path.is_relative_to(root) and path.is_file():
                return path.relative_to(root).as_posix(), line
    return "", ""


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
