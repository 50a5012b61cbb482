"""What the advice would do to a request, found out by making it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter

from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from querybudget.advice import Change
from querybudget.costs import FieldCost, dearest, field_costs
from querybudget.isolation import offline
from querybudget.ladder import Ladder, climb
from querybudget.replay import Answer, replay

PATIENCE = 20.0
"""Seconds after which a test makes its request no more; it wants some twenty times."""

WORTH_NAMING = 0.25
"""Share of a request's queries from which on a field is dear."""


def proof(request: HttpRequest | None, count: int) -> list[str]:
    """Lines for the message of a failing test; none where the request can't be made again.

    `count`: the queries that the test saw; of its first request a process may remember something, and make fewer.
    Only safe methods are tried, and what they write all the same is rolled back. It ends after `PATIENCE`, reaches no
    other machine, and raises nothing.
    """
    if not isinstance(request, WSGIRequest) or request.method not in ("GET", "HEAD"):
        return []
    began = perf_counter()

    def again(changes: Sequence[Change] = (), without: Sequence[str] = ()) -> Answer:
        if perf_counter() - began > PATIENCE:
            raise _TooLongError("the request takes too long to be made again and again")
        return replay(request, changes, without)

    try:
        with offline():
            ladder = climb(again)
            lines = [*told(ladder), *told_dearest(again, ladder)]
            if ladder.start.count == count:
                return lines
            differs = f"made again, the request makes {ladder.start.count} queries instead of {count}."
            return [f"M{differs[1:]}", *lines] if ladder.rungs else [f"Not proven: {differs}"]
    except _TooLongError as error:
        return [f"Not proven: {error}."]
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # `pytest.fail` and the like are no `Exception`
        return [f"Not proven: {type(error).__name__}: {error}".splitlines()[0]]


class _TooLongError(BaseException):
    """Not caught where an error of one change is a reason against it."""


def told(ladder: Ladder) -> list[str]:
    """What the changes bring, in a line; what nobody knows, in another."""
    if ladder.doubt:
        return [f"Not proven: {ladder.doubt}."]
    lines = []
    if ladder.rungs:
        changes = "these changes" if len(ladder.rungs) > 1 else "this change"
        lines.append(f"With {changes}: {ladder.start.count} → {ladder.end.count} queries, same bytes (measured).")
    count = len(ladder.unproven)
    if count:
        wants = "1 finding wants another change" if count == 1 else f"{count} findings want other changes"
        lines.append(f"Not proven: {wants} of the code.")
    return lines


def dear_field(answer: Answer) -> FieldCost | None:
    """The field to do without first, if any makes a good part of the queries."""
    cost = dearest(field_costs(answer.queries, answer.body))
    return cost if cost and cost.queries >= max(2, WORTH_NAMING * answer.count) else None


def told_dearest(again: Callable[..., Answer], ladder: Ladder) -> list[str]:
    """What the dearest field costs, and what would be left without it: measured."""
    cost = None if ladder.doubt else dear_field(ladder.start)
    if cost is None:
        return []
    try:
        without = _without(climb(lambda changes: again(changes, [cost.path])))
    except _TooLongError:
        without = ""
    return [f"Dearest fields: {cost_of(cost)}{without}"]


def cost_of(cost: FieldCost) -> str:
    """ "placed_by.offices 134 queries, 81 % of the body"."""
    return f"{cost.path} {cost.queries} queries, {cost.share:.0%} of the body".replace("%", " %")


def _without(ladder: Ladder) -> str:
    after = f", and {ladder.end.count} with the changes above" if ladder.rungs else ""
    return f"; without it: {ladder.start.count}{after}"


def steps(counts: Sequence[int]) -> str:
    """`176 → 44 → 25 → 6`."""
    return " → ".join(map(str, counts))
