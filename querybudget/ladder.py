"""Which of the advised changes are proven, and what each brings: `176 → 156 → … → 6`.

A change is proven when the answer has the same status and bytes with it, and fewer queries. What is
left at the end is the smallest set that was found: a change without which nothing is lost is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from querybudget.advice import Change
from querybudget.findings import Finding
from querybudget.replay import Answer

Run = Callable[[Sequence[Change]], Answer]


@dataclass(frozen=True, slots=True)
class Rung:
    """A change and the number of queries with it and those before it."""

    change: Change
    count: int


@dataclass(slots=True)
class Ladder:
    """`start`, `end`: the answers without and with all changes. `rungs`: the proven ones, in order.

    `unproven`: findings that are still there, each with the reason. `doubt`: why nothing at all can be
    proven, or "".
    """

    start: Answer
    end: Answer
    rungs: list[Rung] = field(default_factory=list)
    unproven: list[tuple[Finding, str]] = field(default_factory=list)
    doubt: str = ""

    @property
    def counts(self) -> list[int]:
        """Queries at each rung, from the start on."""
        return [self.start.count, *(rung.count for rung in self.rungs)]


def climb(run: Run) -> Ladder:
    """Try the advice of each finding on top of what is proven already, until nothing is left to try."""
    start = run(())
    again = run(())
    ladder = Ladder(start, again)
    if not start.is_same(again) or start.count != again.count:
        ladder.doubt = "the same request made twice does not get the same answer with the same queries"
        return ladder
    changes: list[Change] = []
    reasons: dict[tuple[object, ...], str] = {}
    while (change := _untried(ladder.end, changes, reasons)) is not None:
        try:
            answer = run([*changes, change])
        except Exception as error:
            reasons[change.key] = f"{type(error).__name__}: {error}".splitlines()[0]
            continue
        if not start.is_same(answer):
            reasons[change.key] = "the answer would be another one"
        elif answer.count >= ladder.end.count:
            reasons[change.key] = f"it would still make {answer.count} queries"
        else:
            changes.append(change)
            ladder.end = answer
    for change in tuple(changes):
        fewer = [one for one in changes if one is not change]
        answer = run(fewer)
        if start.is_same(answer) and answer.count <= ladder.end.count:
            changes, ladder.end = fewer, answer
    for number, change in enumerate(changes, 1):
        count = ladder.end.count if number == len(changes) else run(changes[:number]).count
        ladder.rungs.append(Rung(change, count))
    ladder.unproven = [(finding, _reason(finding, reasons)) for finding in ladder.end.findings]
    return ladder


def _untried(answer: Answer, changes: Sequence[Change], reasons: dict[tuple[object, ...], str]) -> Change | None:
    tried = {change.key for change in changes} | reasons.keys()
    found = (finding.change for finding in answer.findings)
    return next((change for change in found if change is not None and change.key not in tried), None)


def _reason(finding: Finding, reasons: dict[tuple[object, ...], str]) -> str:
    if finding.change is None:
        return "it wants another change of the code"
    return reasons.get(finding.change.key, "it was not tried")
