"""Two servers by turns of a fraction of a second, by the same clients: what else the machine does meets both alike.

Turns of `bench.rounds` are a process each and take seconds; on a machine with other work, that changes more between two
of them than a revision may cost. Here four turns are a mirrored group: one, the other, the other, the one, so that a
machine that gets steadily faster or slower favours nobody.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.contenders import BenchError, Contender
from bench.load import numbered
from config.load import LoadError, closed_loop

TICK = 0.01  # seconds: what a process used is told in these


@dataclass(frozen=True, slots=True)
class Turn:
    """What one server did: `latencies` in seconds, and how long it took from the first request to the last answer."""

    latencies: tuple[float, ...]
    seconds: float

    @property
    def rate(self) -> float:
        """Requests a second. All answers count and all of their time does: a short turn has no cut-off end."""
        return len(self.latencies) / self.seconds


@dataclass(frozen=True, slots=True)
class Taken:
    """All turns of one server, two of them a group, and the milliseconds of processor time that a request took."""

    turns: Sequence[Turn]
    cpu: float

    def rates(self) -> list[float]:
        """Requests a second in each group."""
        pairs = zip(self.turns[::2], self.turns[1::2], strict=True)
        return [(one.rate + other.rate) / 2 for one, other in pairs]

    def p50(self) -> float:
        """In milliseconds."""
        return statistics.median(latency for turn in self.turns for latency in turn.latencies) * 1000


def take_turns(one: Contender, other: Contender, clients: int, seconds: float, groups: int) -> tuple[Taken, Taken]:
    """So many mirrored groups of four turns of so many seconds; the first group begins with `one`.

    Raises:
        BenchError: a server gives another answer than is expected of it.
    """
    pair = (one, other)
    turns: tuple[list[Turn], list[Turn]] = ([], [])
    before = [contender.server.cpu_seconds() for contender in pair]
    for number in range(groups):
        for index in (0, 1, 1, 0) if number % 2 == 0 else (1, 0, 0, 1):
            turns[index].append(turn(pair[index], clients, seconds))
    used = [contender.server.cpu_seconds() - start for contender, start in zip(pair, before, strict=True)]
    first, second = (
        Taken(taken, max(spent, TICK) * 1000 / sum(len(turn.latencies) for turn in taken))
        for taken, spent in zip(turns, used, strict=True)
    )
    return first, second


def turn(contender: Contender, clients: int, seconds: float) -> Turn:
    request, started = numbered(contender.request), time.perf_counter()
    try:
        answers = closed_loop(contender.server.port, request, clients, seconds, contender.status)
    except LoadError as problem:
        raise BenchError(f"{contender.name} {problem}") from None
    return Turn(tuple(answer.seconds for answer in answers), time.perf_counter() - started)


def ratio(new: Taken, old: Taken) -> float:
    """The median of the groups' ratios: a group that was disturbed counts no more than any other."""
    return statistics.median(a / b for a, b in zip(new.rates(), old.rates(), strict=True))
