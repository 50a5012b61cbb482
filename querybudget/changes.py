"""Bring the ledger up to date with a run."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from querybudget.endpoints import is_among
from querybudget.ledger import Ledger
from querybudget.tally import EndpointTally, Tally


@dataclass(slots=True)
class Changes:
    """What an update did; each entry is "GET /path" with its figures."""

    added: list[str] = field(default_factory=list)
    lowered: list[str] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def update(ledger: Ledger, tally: Tally, *, complete: bool, may_raise: bool, routes: Set[str]) -> Changes:
    """Write what `tally` saw into `ledger` (`save` is the caller's).

    New endpoints get the budget that their worst request needs. Only a `complete` run, one in which
    every test ran and passed, lowers a budget, refreshes its shapes, or deletes an entry that no
    test touched and that is none of the URLconf's `routes` any more. Only `may_raise` raises one.
    """
    changes = Changes()
    for endpoint, seen in tally:
        budget = ledger.budgets.get(endpoint)
        if seen.worst < 0:
            continue  # only tests with a budget of their own touched it
        if budget is None:
            changes.added.append(f"{endpoint}: {seen.worst}")
            ledger.set(endpoint, seen.worst, min(seen.shapes))
        elif seen.worst > budget.queries:
            figures = f"{endpoint}: {budget.queries} → {seen.worst}"
            (changes.raised if may_raise else changes.refused).append(figures)
            if may_raise:
                ledger.set(endpoint, seen.worst, _shapes(seen, budget.shapes))
        elif complete:
            if seen.worst < budget.queries:
                changes.lowered.append(f"{endpoint}: {budget.queries} → {seen.worst}")
            ledger.set(endpoint, seen.worst, _shapes(seen, budget.shapes))
    if complete:
        untouched = ledger.budgets.keys() - tally.endpoints.keys()
        changes.deleted = sorted(endpoint for endpoint in untouched if not is_among(endpoint, routes))
        for endpoint in changes.deleted:
            ledger.delete(endpoint)
    return changes


def _shapes(seen: EndpointTally, written: tuple[str, ...]) -> tuple[str, ...]:
    """The shapes that are written already, if a request with as many queries looked like that."""
    return written if written in seen.shapes else min(seen.shapes)
