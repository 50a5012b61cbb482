"""Measuring by turns: what disturbs the machine disturbs all, and medians forget what it did to one."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.contenders import BenchError, Contender
from config.measuring import ROOT

WARM_UP = 0.15  # of a measurement's seconds, before it


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to measure: seconds of a turn, and rounds of turns."""

    seconds: float
    rounds: int

    def times(self, seconds: float = 1, rounds: float = 1) -> Pace:
        return Pace(self.seconds * seconds, max(round(self.rounds * rounds), 1))


@dataclass(slots=True)
class Figures:
    """What a contender did in each round: requests a second, p50 in milliseconds, and the milliseconds of processor
    time that its server used for a request. `busy` is the largest share of a core that the clients took."""

    throughput: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    busy: float = 0.0

    def median(self, of: str) -> float:
        return statistics.median(getattr(self, of))


def ratio(one: Figures, other: Figures, of: str) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(getattr(one, of), getattr(other, of), strict=True))


def interleaved(
    contenders: Sequence[Contender], clients: int, pace: Pace, advance: Callable[[], None] = lambda: None
) -> list[Figures]:
    """Each contender's figures, in the order of `contenders`; every second round goes the other way.

    `advance` is called after each turn, `pace.rounds` times for each contender.
    """
    figures = [Figures() for _ in contenders]
    turns = list(zip(contenders, figures, strict=True))
    for contender in contenders:
        load(contender, clients, pace.seconds * WARM_UP)
    for number in range(pace.rounds):
        for contender, kept in turns[:: 1 if number % 2 else -1]:
            before = contender.server.cpu_seconds()
            measured = load(contender, clients, pace.seconds)
            used = contender.server.cpu_seconds() - before
            kept.throughput.append(measured["throughput"])
            kept.p50.append(measured["p50"])
            kept.cpu.append(max(used, 0.01) / measured["answers"] * 1000)  # 0.01 s is the clock's tick
            kept.busy = max(kept.busy, measured["busy"])
            advance()
    return figures


def load(contender: Contender, clients: int, seconds: float) -> dict[str, float]:
    task = {
        "port": contender.server.port,
        "request": contender.request.decode(),
        "status": contender.status,
        "clients": clients,
        "seconds": seconds,
    }
    command = [sys.executable, "-m", "bench.load"]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(task), capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{contender.name}: {done.stderr.strip()}")
    measured: dict[str, float] = json.loads(done.stdout)
    return measured
