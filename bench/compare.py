"""All contests, one after the other, and what is made of their figures. Imported once Django is set up."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path

from bench import contests, data, report
from bench.rounds import Pace
from querybudget.progress import progress

FULL, QUICK = Pace(seconds=3, rounds=5), Pace(seconds=0.4, rounds=1)
ORDERS, QUICK_ORDERS = 100_000, 2_000


def one(contest: Callable[[contests.Bench], contests.Result]) -> Callable[[contests.Bench], Iterable[contests.Result]]:
    return lambda bench: [contest(bench)]


CONTESTS = (
    one(contests.cold_list),
    contests.hit_and_not_modified,
    one(contests.export),
    one(contests.depth),
    one(contests.offices),
    one(contests.processes),
    one(contests.memory),
    one(contests.create),
    one(contests.counting),
)


def compare(results: Path, *, quick: bool) -> None:
    started = time.monotonic()
    about = report.machine(os.environ["DATABASE_URL"])
    print(about, flush=True)
    pace, orders = (QUICK, QUICK_ORDERS) if quick else (FULL, ORDERS)
    world = data.make(orders)
    print(f"{orders:,} orders and those of other companies", flush=True)
    ratios: dict[str, float] = {}
    tables = []
    with progress("contests", len(CONTESTS)) as shown:

        def say(line: str) -> None:
            with shown.aside():
                print(f"{time.monotonic() - started:5.0f} s  {line}", flush=True)

        bench = contests.Bench(world, pace, say)
        for contest in CONTESTS:
            for found, table in contest(bench):
                ratios |= found
                tables.append(table)
                say(f"\n\n{report.markdown(table)}")
            shown.advance()
    tables.insert(0, report.goals(ratios))
    print(report.markdown(tables[0]))
    report.save(
        results / "latest.json", {"machine": about, "ratios": ratios, "tables": [asdict(table) for table in tables]}
    )
    if not quick:
        rounds = f"{pace.rounds} rounds of {pace.seconds:g} s for each unless more are needed"
        intro = f"Revision {report.commit()}, {about} Medians of {rounds}."
        report.publish("make bench", intro, tables)
