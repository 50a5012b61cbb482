"""All contests, one after the other, and what is made of their figures. Imported once Django is set up."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from bench import contests, data, report
from bench.rounds import Pace

FULL, QUICK = Pace(seconds=3, rounds=5), Pace(seconds=0.4, rounds=1)
ORDERS, QUICK_ORDERS = 100_000, 2_000


def compare(results: Path, *, quick: bool) -> None:
    started = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - started:5.0f} s  {line}", flush=True)

    about = report.machine(os.environ["DATABASE_URL"])
    say(about)
    pace, orders = (QUICK, QUICK_ORDERS) if quick else (FULL, ORDERS)
    world = data.make(orders)
    say(f"{orders:,} orders and those of other companies")
    bench = contests.Bench(world, pace, say)
    ratios: dict[str, float] = {}
    tables = []
    for contest in measured(bench):
        for found, table in contest:
            ratios |= found
            tables.append(table)
            say(f"\n\n{report.markdown(table)}")
    tables.insert(0, report.goals(ratios))
    print(report.markdown(tables[0]))
    report.save(
        results / "latest.json", {"machine": about, "ratios": ratios, "tables": [asdict(table) for table in tables]}
    )
    if not quick:
        rounds = f"{pace.rounds} rounds of {pace.seconds:g} s for each unless more are needed"
        intro = f"Revision {report.commit()}, {about} Medians of {rounds}."
        report.publish("make bench", intro, tables)
    say("done")


def measured(bench: contests.Bench) -> Iterator[Iterable[contests.Result]]:
    yield [contests.cold_list(bench)]
    yield contests.hit_and_not_modified(bench)
    yield [contests.export(bench)]
    yield [contests.depth(bench)]
    yield [contests.offices(bench)]
    yield [contests.processes(bench)]
    yield [contests.memory(bench)]
    yield [contests.create(bench)]
    yield [contests.counting(bench)]
