"""Finding the number of threads: measure one, predict, and look around the prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from config import limits, sizing
from config.measuring import Alone, Measured

GOOD_ENOUGH = 0.95  # of the best throughput
MB = limits.MB


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a number of threads must keep to: the p95 in milliseconds, resident bytes."""

    p95: float
    rss: float

    def hold(self, run: Measured) -> bool:
        return run.p95 <= self.p95 and run.rss <= self.rss


def predict(alone: Alone, memory: int, connections: int | None) -> sizing.Threads:
    """As the server would, for one process that has all the memory."""
    profile = sizing.Profile(alone.cpu_share, alone.base_bytes, alone.flight_bytes)
    return sizing.threads(profile, memory, 1, connections)


def around(predicted: int, connections: int | None) -> list[int]:
    """The numbers to try: one for comparison, two below and above the prediction, and twice as many."""
    tried = {1, *range(max(predicted - 2, sizing.LEAST_THREADS), predicted + 3), 2 * predicted}
    most = max((connections or 1000) - sizing.SPARE_CONNECTIONS, sizing.LEAST_THREADS)
    return sorted(number for number in tried if number <= most)


def fastest(runs: Sequence[Measured]) -> Measured:
    """The run that counts, of several with the same number: what disturbs a machine only makes it slower."""
    return max(runs, key=lambda run: run.throughput)


def pick(runs: Sequence[Measured], bounds: Bounds) -> Measured | None:
    """The fewest threads within 5 % of the best throughput, of those whose p95 and memory pass; None where none does.

    Two at least, as the server takes no fewer.
    """
    passing = [run for run in runs if run.threads >= sizing.LEAST_THREADS and bounds.hold(run)]
    best = max((run.throughput for run in passing), default=0.0)
    enough = [run for run in passing if run.throughput >= GOOD_ENOUGH * best]
    return min(enough, key=lambda run: run.threads, default=None)


def table(runs: Sequence[Measured], picked: Measured | None) -> str:
    """Aligned for a terminal, and Markdown at once; the picked row is marked."""
    lines = ["| threads | requests/s | p50 ms | p95 ms | RSS MB |   |", "|---|---|---|---|---|---|"]
    for run in runs:
        mark = "picked" if run is picked else ""
        times = f"{run.p50:6.0f} | {run.p95:6.0f}"
        lines.append(f"| {run.threads:7} | {run.throughput:10.1f} | {times} | {run.rss / MB:6.0f} | {mark} |")
    return "\n".join(lines)


def profile_toml(target: str, alone: Alone, picked: Measured, clients: int) -> str:
    """The file that `config.sizing` reads."""
    return f"""\
# What a request costs. Written by `manage.py tune_threads`, read when the server starts (config/sizing.py).
target = "{target}"
clients = {clients}
cpu_share = {alone.cpu_share:.3f}  # of the time of a request alone on one thread
base_bytes = {alone.base_bytes}  # of a process that serves nothing
flight_bytes = {alone.flight_bytes}  # added by a request under way
threads = {picked.threads}  # the fewest within 5 % of the best throughput: {picked.throughput:.0f} requests/s
"""
