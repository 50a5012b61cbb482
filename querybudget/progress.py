"""How far something is that takes seconds: a bar on a terminal, anywhere else a line every ten seconds.

Both go to standard error, so that standard output stays what a pipe or a file expects. The bar is gone once
the work is done, has no colours where `NO_COLOR` is set (no-color.org), and is a line where `TERM` is "dumb".
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from rich import progress as bars
from rich.console import Console
from rich.text import Text

EVERY = 10.0
"""Seconds between two lines where there is no terminal."""


@dataclass(slots=True)
class Progress:
    """`what` is counted, up to `total` where that is known. This one shows nothing."""

    what: str
    total: int | None
    done: int = 0

    def advance(self, by: int = 1) -> None:
        """So many more are done."""
        self.done += by

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """The place for a line to any stream that may be the same terminal."""
        yield


@dataclass(slots=True)
class Lines(Progress):
    said: float = field(default_factory=time.monotonic)

    def advance(self, by: int = 1) -> None:
        self.done += by
        now = time.monotonic()
        if now - self.said >= EVERY:
            self.said = now
            of = "" if self.total is None else f" of {self.total:,}"
            sys.stderr.write(f"{self.what}: {self.done:,}{of}\n")
            sys.stderr.flush()


class Count(bars.MofNCompleteColumn):
    def render(self, task: bars.Task) -> Text:
        """Not "0/?" where nothing will be counted."""
        return super().render(task) if task.total or task.completed else Text()


@dataclass(slots=True)
class Bar(Progress):
    bar: bars.Progress = field(
        default_factory=lambda: bars.Progress(
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(),
            Count(),
            bars.TimeElapsedColumn(),
            bars.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            redirect_stdout=False,
        )
    )

    def __post_init__(self) -> None:
        self.bar.add_task(self.what, total=self.total)

    def advance(self, by: int = 1) -> None:
        self.done += by
        self.bar.advance(self.bar.task_ids[0], by)

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        self.bar.stop()
        yield
        self.bar.start()


@contextlib.contextmanager
def progress(what: str, total: int | None = None, *, quiet: bool = False) -> Iterator[Progress]:
    """Show how far the block is. `total`: how many will be counted, None where nobody knows. `quiet`: show nothing."""
    if quiet:
        yield Progress(what, total)
    elif sys.stderr.isatty() and os.environ.get("TERM") != "dumb":
        shown = Bar(what, total)
        try:  # not `with shown.bar`: an interrupt while that is entered would leave the cursor hidden
            shown.bar.start()
            yield shown
        finally:
            shown.bar.stop()
    else:
        yield Lines(what, total)
