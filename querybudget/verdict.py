"""Hold a request against the ledger, and say what is wrong in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from querybudget.ledger import Ledger
from querybudget.message import listing
from querybudget.observation import Observation, counts_of

if TYPE_CHECKING:
    from django.http import HttpRequest


@dataclass(frozen=True, slots=True)
class Violation:
    """A request that broke its budget, or that makes queries for each row.

    `excess`: queries above the budget; for a missing budget and for an N+1, all that are concerned.
    `request`: what to make again for a proof, whose lines come between `text` and `footer`.
    `places`: lines to look at, "file:line", the best first.
    """

    endpoint: str
    excess: int
    text: str
    footer: str = ""
    proved: tuple[str, ...] = ()
    request: HttpRequest | None = None
    queries: int = 0
    places: tuple[str, ...] = ()

    @property
    def message(self) -> str:
        advice = "\n".join(filter(None, [*self.proved, self.footer]))
        return "\n\n".join(filter(None, [self.text.rstrip(), advice]))

    def as_json(self) -> dict[str, Any]:
        """The arguments of an equal violation, for another process; without the request."""
        return {"endpoint": self.endpoint, "excess": self.excess, "text": self.message, "places": list(self.places)}


def judge(seen: Observation, ledger: Ledger, limit: int | None = None, *, loops_fail: bool = True) -> Violation | None:
    """The violation of a request, or None. `limit` replaces the ledger's budget (a test's marker).

    `loops_fail`: an N+1 is a violation within the budget too, unless the budget knows it.
    """
    budget = ledger.budgets.get(seen.endpoint)
    total = sum(seen.counts.values())

    def violation(excess: int, head: str, lines: Iterable[str], footer: str = "") -> Violation:
        found = ["", *listing(seen.findings), ""] if seen.findings else []
        notes = ["", *seen.notes] if seen.notes else []
        text = "\n".join([f"{seen.endpoint}: {head}      {seen.test}", *found, *lines]).rstrip()
        text = "\n".join([text, *notes])
        return Violation(seen.endpoint, excess, text, footer, queries=total, places=tuple(_places(seen, ledger)))

    if limit is not None:
        if total <= limit:
            return None
        return violation(total - limit, f"{_queries(total)}, this test's own budget is {limit}", _listing(seen))
    if budget is None:
        queries = seen.queries()
        advice = "Give it one: pytest --query-budgets=update"
        return violation(queries, f"{_queries(queries)}, no budget in {ledger.path.name}", _listing(seen), advice)
    where = f"Budget: {ledger.path.name}:{ledger.line_of(seen.endpoint)}"
    queries = seen.queries(budget)
    if queries > budget.queries:
        head = f"{_queries(queries)}, budget {budget.queries}"
        advice = "Mend it, or accept it: pytest --query-budgets=update --query-budgets-raise"
        return violation(queries - budget.queries, head, _diff(seen, ledger), f"{advice}\n{where}")
    if steeper := seen.steeper(budget):
        label, allowed = next(iter(steeper.items()))
        head = (
            f"a known N+1 grew steeper: {seen.counts[label]}× {label}, {budget.known[label]:g} per row allow {allowed}"
        )
        lines = (
            f"  + {seen.counts[label] - allowed}× {label}{_place(seen, label)}" for label, allowed in steeper.items()
        )
        return violation(seen.counts[label] - allowed, head, lines, where)
    if loops_fail and (loops := seen.loops(budget)):
        concerned = sum(finding.count for finding in loops)
        head = f"{_queries(queries)}, budget {budget.queries}, but {concerned} for each row"
        advice = "Mend it, or tolerate it: known, in the ledger"
        return violation(concerned, head, (), f"{advice}\n{where}")
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


def _places(seen: Observation, ledger: Ledger) -> Iterator[str]:
    """Where the findings are, where most queries come from, the budget, the test."""
    yield from (finding.location for finding in seen.findings)
    counts: Counter[str] = Counter()
    for places in seen.places.values():
        counts.update(places)
    yield from (place for place, _ in counts.most_common())
    if seen.endpoint in ledger.budgets:
        yield f"{ledger.path.name}:{ledger.line_of(seen.endpoint)}"
    yield f"{seen.test.partition('::')[0]}:1"


def _place(seen: Observation, label: str) -> str:
    """The line that made most of a label's queries."""
    places = sorted(seen.places[label].items(), key=lambda place: -place[1])
    others = f" and {len(places) - 1} more" if len(places) > 1 else ""
    return f" … {places[0][0]}{others}"
