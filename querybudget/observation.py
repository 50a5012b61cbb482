"""What one measured request did, in the terms in which budgets are held."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from querybudget.findings import FAILING, Finding, find
from querybudget.ledger import Budget
from querybudget.query import Query


@dataclass(frozen=True, slots=True)
class Observation:
    """A request to an endpoint, made by a test.

    `counts`: number of queries of each label, in order of first appearance, control statements left
    out. `rows`: the most rows that a single read returned; one row hides an N+1, however many
    queries return one. `totals`: rows of all reads of a label. `places`: where a label's queries
    came from, "file:line", with their number. `findings`: what is wrong with them, dearest first.
    `notes`: what the code said by `note`.
    """

    endpoint: str
    test: str
    counts: Mapping[str, int]
    rows: int
    totals: Mapping[str, int]
    places: Mapping[str, Mapping[str, int]]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, endpoint: str, test: str, queries: Sequence[Query], notes: Iterable[str] = ()) -> Observation:
        """The observation of the `queries` of one request."""
        counts: Counter[str] = Counter()
        totals: Counter[str] = Counter()
        places: dict[str, Counter[str]] = {}
        rows = 0
        for query in queries:
            if query.kind == "control":
                continue
            label = query.label
            counts[label] += 1
            places.setdefault(label, Counter())[str(query.location or "?")] += 1
            if query.kind == "read":
                totals[label] += query.rows
                rows = max(rows, query.rows)
        return cls(endpoint, test, counts, rows, totals, places, tuple(find(queries)), tuple(notes))

    def queries(self, budget: Budget | None = None) -> int:
        """How many count against `budget`: all but those of the shapes that it knows."""
        known = budget.known if budget else {}
        return sum(count for label, count in self.counts.items() if label not in known)

    def shapes(self, budget: Budget | None = None) -> tuple[str, ...]:
        """The labels as the ledger writes them, "read shop_office ×2", without the known ones."""
        known = budget.known if budget else {}
        return tuple(with_times(label, count) for label, count in self.counts.items() if label not in known)

    def loops(self, budget: Budget | None = None) -> list[Finding]:
        """The findings that fail a test by themselves: the N+1s that `budget` does not know."""
        known = budget.known if budget else {}
        return [finding for finding in self.findings if finding.kind in FAILING and finding.label not in known]

    def steeper(self, budget: Budget) -> dict[str, int]:
        """Known labels with more queries than their `per_row` allows, each with what it allows.

        The rows it is held against are those of the richest other shape: the result it loops over.
        """
        found = {}
        for label, per_row in budget.known.items():
            rows = max((total for other, total in self.totals.items() if other != label), default=0)
            allowed = math.ceil(per_row * max(rows, 1))
            if self.counts.get(label, 0) > allowed:
                found[label] = allowed
        return found


def with_times(label: str, count: int) -> str:
    return label if count == 1 else f"{label} ×{count}"


_TIMES = re.compile(r"(.*) ×(\d+)$")


def counts_of(shapes: Iterable[str]) -> Counter[str]:
    """The reverse of `Observation.shapes`."""
    counts: Counter[str] = Counter()
    for shape in shapes:
        times = _TIMES.match(shape)
        counts[times[1] if times else shape] += int(times[2]) if times else 1
    return counts
