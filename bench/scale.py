"""`make bench-scale`: the same requests among 10,000, 100,000, 1,000,000 orders and more.

    BENCH_ORDERS=10000000 python -m bench.scale [--quick] [--results FOLDER]

`BENCH_ORDERS` is the largest number of orders (1,000,000 unless given). Each number has a database of its own,
written by COPY, and a server; all are measured by turns, as the demo user, who owns half of the orders. What the
larger ones will take of disk and time is printed before they are written. `--quick` goes through it with 1,000 and
2,000 orders.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
from django.core.exceptions import ImproperlyConfigured

from bench import plot, report
from bench.contenders import ANEW, BenchError, Contender, ask, get, ours
from bench.rounds import Figures, Pace, interleaved, ratio
from bench.walk import walk
from config import env
from config.measuring import ROOT, MeasuringError, Server
from querybudget.progress import progress
from tests.servers import ServerMissingError, running

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
SUMMED = 1000  # orders
PAGE = "/api/orders"
KINDS = ["list, page 1", "list, page 10,000 or the last", f"summary of {SUMMED:,} orders", "detail", "summary of all"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of scale.json")
    options = parser.parse_args()
    quick = options.quick
    try:
        most = env.integer("BENCH_ORDERS", 1_000_000, least=SIZES[0])
    except ImproperlyConfigured as problem:
        sys.exit(f"error: {problem}")
    sizes = [1000, 2000] if quick else [size for size in SIZES if size <= most]
    os.environ |= {"SECRET_KEY": "bench" * 12, "ALLOWED_HOSTS": "localhost", "HTTPS": "0", "LOG_LEVEL": "WARNING"}
    try:
        with running() as addresses:
            os.environ["REDIS_URL"] = addresses.redis_url
            about = report.machine(addresses.database_url)
            print(about, flush=True)
            databases = filled(addresses.database_url, sizes)
            figures = measured(databases, Pace(0.2, 1) if quick else Pace(1.5, 5))
    except (ServerMissingError, MeasuringError, BenchError) as problem:
        sys.exit(f"error: {problem}")
    table = tabulated(sizes, figures)
    print(report.grid(table.head, table.rows))
    ratios = {kind: [ratio(figures[kind, size], figures[kind, sizes[0]], "p50") for size in sizes] for kind in KINDS}
    report.save(options.results / "scale.json", {"machine": about, "orders": sizes, "ratios": ratios})
    if not quick:
        medians = {kind: [figures[kind, size].median("p50") for size in sizes] for kind in KINDS[:4]}
        (report.PAGE.parent / "bench-scale.svg").write_text(plot.curves("p50, milliseconds", sizes, medians))
        picture = "![p50 against the number of orders](bench-scale.svg)"
        intro = f"Revision {report.commit()}, {about}"
        report.replace(report.PAGE, "make bench-scale", f"{intro}\n\n{report.markdown(table)}\n{picture}")
    return 0


def filled(url: str, sizes: list[int]) -> dict[int, str]:
    """A database for each size, smallest first; says what the next one will take, from what the last one took."""
    databases = {}
    for size in sizes:
        databases[size] = urlsplit(url)._replace(path=f"/orders_{size}").geturl()
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            connection.cursor().execute(f"CREATE DATABASE orders_{size}")
        started = time.monotonic()
        manage(databases[size], "migrate", "-v0")
        manage(databases[size], "seed_demo", f"--orders={size}")
        seconds = time.monotonic() - started
        with psycopg2.connect(databases[size]) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT pg_database_size(current_database())")
            megabytes = cursor.fetchone()[0] / 1e6
        print(f"{size:,} orders: {seconds:.0f} s, {megabytes:,.0f} MB", flush=True)
        for larger in sizes[sizes.index(size) + 1 :][:1]:
            share = larger / size
            print(f"{larger:,} will take about {seconds * share:,.0f} s and {megabytes * share:,.0f} MB", flush=True)
    return databases


def manage(url: str, *arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    environment = os.environ | {"DATABASE_URL": url}
    return subprocess.run(
        command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
    ).stdout.strip()


def measured(databases: dict[int, str], pace: Pace) -> dict[tuple[str, int], Figures]:
    with ExitStack() as stack:
        contenders: dict[tuple[str, int], Contender] = {}
        for size, url in databases.items():
            token = manage(url, "create_token", "demo")
            server = stack.enter_context(ours(DATABASE_URL=url))
            for kind, target in zip(KINDS, targets(server, token), strict=True):
                contenders[kind, size] = get(f"{kind}, {size:,}", server, target, token, ANEW)
            print(f"asks {size:,}", flush=True)
        order = sorted(contenders, key=lambda kind_and_size: KINDS.index(kind_and_size[0]))
        with progress("turns", len(order) * pace.rounds) as shown:
            figures = interleaved([contenders[key] for key in order], 1, pace, shown.advance)
        return dict(zip(order, figures, strict=True))


def targets(server: Server, token: str) -> list[str]:
    """What is asked for each kind."""
    by_status = json.loads(ask(server, f"{PAGE}/summary?group_by=status", token).body)["results"]
    orders = sum(row["orders"] for row in by_status)
    deep = walk(server, token, min(500_000, orders - 51))
    recent = walk(server, token, min(SUMMED, orders - 51))
    last = json.loads(ask(server, f"{PAGE}?cursor={recent}&limit=1", token).body)["results"][0]
    return [
        PAGE,
        f"{PAGE}?cursor={deep}",
        f"{PAGE}/summary?group_by=status&placed_after={last['placed_at']}",
        f"{PAGE}/{last['id']}",
        f"{PAGE}/summary?group_by=status",
    ]


def tabulated(sizes: list[int], figures: dict[tuple[str, int], Figures]) -> report.Table:
    def cell(kind: str, size: int) -> str:
        own, smallest = figures[kind, size], figures[kind, sizes[0]]
        return f"{own.median('p50'):.2f} ({ratio(own, smallest, 'p50'):.2f} ×)"

    rows = [[kind, *(cell(kind, size) for size in sizes)] for kind in KINDS]
    note = (
        "p50 in milliseconds, one client, and its ratio to the smallest; pages of 50, computed anew. Half of the "
        "orders are the client's. The summary of all has more to add up with each order, by nature."
    )
    return report.Table("Number of orders", note, ["", *(f"{size:,} orders" for size in sizes)], rows)


if __name__ == "__main__":
    sys.exit(main())
