"""Hold a request against the ledger, and say what is wrong in words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from querybudget.ledger import Ledger
from querybudget.observation import Observation, counts_of


@dataclass(frozen=True, slots=True)
class Violation:
    """A request that broke its budget. `excess`: queries above it; for a missing budget, all."""

    endpoint: str
    excess: int
    message: str


def judge(seen: Observation, ledger: Ledger, limit: int | None = None) -> Violation | None:
    """The violation of a request, or None. `limit` replaces the ledger's budget (a test's marker)."""
    budget = ledger.budgets.get(seen.endpoint)
    if limit is not None:
        queries = sum(seen.counts.values())
        if queries <= limit:
            return None
        head = f"{seen.endpoint}: {queries} queries, this test's own budget is {limit}"
        return Violation(seen.endpoint, queries - limit, "\n".join([head, *_listing(seen)]))
    if budget is None:
        queries = seen.queries()
        head = f"{seen.endpoint}: {_queries(queries)}, no budget in {ledger.path.name}"
        advice = "Give it one: pytest --query-budgets=update"
        return Violation(seen.endpoint, queries, "\n".join([head, *_listing(seen), advice]))
    where = f"{ledger.path.name}:{ledger.line_of(seen.endpoint)}"
    queries = seen.queries(budget)
    if queries > budget.queries:
        head = f"{seen.endpoint}: {_queries(queries)}, budget {budget.queries} ({where})"
        advice = "Mend it, or accept it: pytest --query-budgets=update --query-budgets-raise"
        return Violation(seen.endpoint, queries - budget.queries, "\n".join([head, *_diff(seen, ledger), advice]))
    if steeper := seen.steeper(budget):
        label, allowed = next(iter(steeper.items()))
        head = (
            f"{seen.endpoint}: a known N+1 grew steeper: {seen.counts[label]}× {label}, "
            f"{budget.known[label]:g} per row allow {allowed} ({where})"
        )
        lines = (
            f"  + {seen.counts[label] - allowed}× {label}{_place(seen, label)}" for label, allowed in steeper.items()
        )
        return Violation(seen.endpoint, seen.counts[label] - allowed, "\n".join([head, *lines]))
    return None


def _queries(count: int) -> str:
    return "1 query" if count == 1 else f"{count} queries"


def _diff(seen: Observation, ledger: Ledger) -> Iterator[str]:
    """What came (+), what went (-), and what is as in the ledger, a shape each."""
    budget = ledger.budgets[seen.endpoint]
    before = counts_of(budget.shapes)
    now = {label: count for label, count in seen.counts.items() if label not in budget.known}
    for label, count in now.items():
        if count > before[label]:
            yield f"  + {count - before[label]}× {label}{_place(seen, label)}"
    for label, count in before.items():
        if count > now.get(label, 0):
            yield f"  - {count - now.get(label, 0)}× {label}"
    for label, count in now.items():
        if same := min(count, before[label]):
            yield f"    {same}× {label}"


def _listing(seen: Observation) -> Iterator[str]:
    for label, count in seen.counts.items():
        yield f"  + {count}× {label}{_place(seen, label)}"


def _place(seen: Observation, label: str) -> str:
    """The line that made most of a label's queries."""
    places = sorted(seen.places[label].items(), key=lambda place: -place[1])
    others = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f" … {places[0][0]}{others}"
