"""Where a ledger and the URLconf have parted, told without running a test."""

from __future__ import annotations

from collections.abc import Iterator

from querybudget.endpoints import beyond, is_among
from querybudget.ledger import Ledger
from querybudget.options import Options
from querybudget.run import Run
from querybudget.variants import plain


def stale(ledger: Ledger, options: Options) -> Iterator[str]:
    """A line for each entry that no route has, and for each route without an entry."""
    run = Run(ledger, options, "check")
    entries = run.entries()
    for entry in ledger.budgets:
        if not is_among(entry, entries):
            yield f"{ledger.path.name}:{ledger.line_of(entry)}: no route is called {entry}"
    for route in beyond(run.routes(), set(map(plain, ledger.budgets))):
        yield f"{ledger.path.name}: no budget for {route}"
