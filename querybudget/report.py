"""The table at the end of a run, and the lists below it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, field

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from querybudget.changes import Changes
from querybudget.documents import Document, Endpoint, document, endpoint_part
from querybudget.documents import Growth as DocumentGrowth
from querybudget.endpoints import beyond
from querybudget.ledger import Budget, Ledger
from querybudget.tally import EndpointTally, Tally
from querybudget.variants import plain
from querybudget.verdict import Violation

PLAIN_WIDTH = 200
"""Columns where no terminal says its width, so that nothing wraps in a CI log."""


_SINGLE = Budget(0, single=True)


@dataclass(slots=True)
class Report:
    """Everything that is said at the end of a run.

    `partial`: why not every test ran and passed, None if each did. `routes`: the URLconf's endpoints
    as the ledger names them.
    """

    ledger: Ledger
    tally: Tally
    routes: Set[str]
    partial: str | None
    changes: Changes | None = None
    late: Iterable[str] = field(default_factory=tuple)
    violations: Sequence[Violation] = ()

    def document(self) -> Document:
        """For JSON and HTML: each endpoint that the run touched, with the queries of its dearest request."""
        violations = sorted(self.violations, key=lambda one: (-one.excess, one.endpoint, one.message))
        return document(
            "tests",
            (self._endpoint(name, seen) for name, seen in self.tally),
            violations=({"endpoint": one.endpoint, "message": one.message} for one in violations),
        )

    def _endpoint(self, name: str, seen: EndpointTally) -> Endpoint:
        measured = seen.worst >= 0
        return endpoint_part(
            name,
            self.ledger,
            **seen.dearest
            | {"rows": seen.rows, "tests": len(seen.tests)}
            | ({"queries": seen.worst, "test": seen.worst_test, "growth": _growth(seen)} if measured else {}),
        )

    def table(self) -> Table:
        """One line for each endpoint that the run touched."""
        table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False)
        table.add_column("endpoint", overflow="fold")
        for heading in ("budget", "worst", "rows", "growth", "tests"):
            table.add_column(heading, justify="right", no_wrap=True)
        for endpoint, seen in self.tally:
            budget = self.ledger.budgets.get(endpoint)
            growth = seen.growth()
            over = budget is None or seen.worst > budget.queries
            table.add_row(
                escape(endpoint),
                str(budget.queries) if budget else "-",
                "-" if seen.worst < 0 else f"[red]{seen.worst}[/]" if over else str(seen.worst),
                str(seen.rows),
                f"[yellow]{growth.slope:+.1f}/row[/]" if growth else "",
                str(len(seen.tests)),
            )
        return table

    def lists(self) -> Iterator[tuple[str, list[str]]]:
        """Heading and entries of each list that is not empty."""
        for heading, entries in (
            ("Over budget after the test was over", list(self.late)),
            *self._changed(),
            ("Queries for each row (N+1)", self._loops()),
            ("Queries grow with rows", self._growing()),
            ("Budgets that can be tightened (pytest --query-budgets=update)", self._loose()),
            ("Unproven: every test read fewer than two rows, and one row hides a loop", self.unproven()),
            ("In the ledger, touched by no test", self.untouched_entries()),
            ("Routes that no test touched", self.untouched_routes()),
        ):
            if entries:
                yield heading, entries

    def _changed(self) -> Iterator[tuple[str, list[str]]]:
        if self.changes:
            yield "New budgets", self.changes.added
            yield "Lowered budgets", self.changes.lowered
            yield "Raised budgets", self.changes.raised
            yield "Deleted: no test and no route", self.changes.deleted
            yield "Over budget, kept as it is (raise it with --query-budgets-raise)", self.changes.refused

    def _loops(self) -> list[str]:
        return [f"{endpoint}: {loop}" for endpoint, seen in self.tally for loop in sorted(seen.loops)]

    def _growing(self) -> list[str]:
        lines = []
        for endpoint, seen in self.tally:
            if growth := seen.growth():
                lines.append(
                    f"{endpoint}: {growth.slope:+.1f} queries per row\n"
                    f"    {growth.few.queries} queries, {growth.few.rows} rows in {growth.few.test}\n"
                    f"    {growth.many.queries} queries, {growth.many.rows} rows in {growth.many.test}"
                )
        return lines

    def _loose(self) -> list[str]:
        if self.partial:
            return []
        return [
            f"{endpoint}: {self.ledger.budgets[endpoint].queries} → {seen.worst}"
            for endpoint, seen in self.tally
            if endpoint in self.ledger.budgets and 0 <= seen.worst < self.ledger.budgets[endpoint].queries
        ]

    def missing(self) -> str:
        """Why the run does not show that the ledger is complete, or ""."""
        if self.partial:
            return self.partial
        counts = {
            "unproven": len(self.unproven()),
            "in the ledger without a test": len(self.untouched_entries()),
            "routes without a test": len(self.untouched_routes()),
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)

    def unproven(self) -> list[str]:
        """Endpoints whose every test read fewer than two rows.

        Not those that say `single`, nor those that make no query at all: without rows there is no loop.
        """
        return [
            endpoint
            for endpoint, seen in self.tally
            if seen.rows < 2 and seen.worst != 0 and not self.ledger.budgets.get(endpoint, _SINGLE).single
        ]

    def untouched_entries(self) -> list[str]:
        """Ledger entries without a test; empty in a partial run, which can't know."""
        return [] if self.partial else sorted(self.ledger.budgets.keys() - self.tally.endpoints.keys())

    def untouched_routes(self) -> list[str]:
        """Routes without a test; "* /path" is touched by any method. Empty in a partial run."""
        if self.partial:
            return []
        return beyond(self.routes, set(map(plain, self.tally.endpoints)))


def _growth(seen: EndpointTally) -> DocumentGrowth:
    growth = seen.growth()
    points = sorted({point for pair in seen.points.values() for point in pair})
    return {
        "by": "rows",
        "slope": growth.slope if growth else None,
        "line": [[growth.few.rows, growth.few.queries], [growth.many.rows, growth.many.queries]] if growth else None,
        "points": [{"size": point.rows, "queries": point.queries, "test": point.test} for point in points],
    }


def rendered(table: Table, *, colour: bool, width: int | None) -> str:
    """The table as text; without colour and 200 columns wide where there is no terminal."""
    text = io.StringIO()
    console = Console(
        file=text, force_terminal=colour, no_color=not colour, width=width or PLAIN_WIDTH, legacy_windows=False
    )
    console.print(table)
    return "\n".join(line.rstrip() for line in text.getvalue().splitlines())
