"""One function for each thing that is measured. Each returns what it adds to `ratios`, and its table."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from bench import agreement, switched
from bench.contenders import (
    ANEW,
    NONE,
    THREADS_OF,
    UNKEPT,
    BenchError,
    Contender,
    ask,
    expect,
    get,
    on_uvicorn,
    on_waitress,
    ours,
    post,
)
from bench.data import World
from bench.report import Table
from bench.rounds import Figures, Pace, interleaved, load, ratio
from bench.walk import walk
from config.limits import MB
from config.measuring import ROOT

CLIENTS = 8
PAGE = "/api/orders"
PROCESSES = 6  # that count by turns; one differs from the next by where its memory lies


Result = tuple[dict[str, float], Table]


@dataclass(frozen=True, slots=True)
class Bench:
    """What the contests share."""

    world: World
    pace: Pace
    say: Callable[[str], None]


# --- Reading


def cold_list(bench: Bench) -> Result:
    with ExitStack() as stack:
        servers = {
            "ours": stack.enter_context(ours()),
            "ours, FAST=0": stack.enter_context(ours(THREADS_OF["drf"], FAST="0")),
            "Django REST framework": stack.enter_context(on_waitress("drf")),
            "django-ninja": stack.enter_context(on_waitress("ninja_orders")),
            "FastAPI + SQLAlchemy async": stack.enter_context(on_uvicorn()),
            "raw psycopg2, prepared": stack.enter_context(on_waitress("raw")),
        }
        paths = {name: (server, PAGE) for name, server in servers.items()}
        agreement.check_pages(paths, bench.world.main)
        agreement.check_tokens_are_asked_for(paths)
        bench.say("all answer the same pages")
        contenders = [get(name, server, PAGE, bench.world.main, UNKEPT) for name, server in servers.items()]
        contenders.append(get("ours, kept in Redis", servers["ours"], PAGE, bench.world.main, ANEW))
        for headers, said in ((UNKEPT, "orders; fwd=request"), (ANEW, "orders; fwd=request; stored")):
            expect(servers["ours"], PAGE, bench.world.main, said, headers)
        figures = interleaved(contenders, CLIENTS, bench.pace)
        own, ordinary, drf, ninja, fastapi, raw, _kept = figures
    ratios = {
        "cold_list_vs_drf": ratio(own, drf, "throughput"),
        "cold_list_vs_ninja": ratio(own, ninja, "throughput"),
        "cold_list_vs_fastapi": ratio(own, fastapi, "throughput"),
        "cold_list_vs_raw": ratio(own, raw, "throughput"),
        "cold_list_cpu_vs_drf": ratio(own, drf, "cpu"),
        "ordinary_list_vs_drf": ratio(ordinary, drf, "throughput"),
    }
    note = (
        f"`GET {PAGE}`: 50 orders with 4 lines each, computed anew each time, {CLIENTS} clients. The peers keep "
        "no page, so ours is told not to (`Cache-Control: no-cache, no-store`); the last row is with what that costs."
    )
    return ratios, compared("Cold list", note, [contender.name for contender in contenders], figures)


def hit_and_not_modified(bench: Bench) -> tuple[Result, Result]:
    cached, token = "/cached/orders", bench.world.main
    with ExitStack() as stack:
        own, fastapi = stack.enter_context(ours()), stack.enter_context(on_uvicorn())
        bare, shelfless = stack.enter_context(on_waitress("ceiling")), stack.enter_context(ours(BENCH_SHELF="0"))
        paths = {"ours": (own, PAGE), "FastAPI": (fastapi, cached)}
        agreement.check_pages(paths, token)
        agreement.check_tokens_are_asked_for(paths)
        agreement.check_revisions_are_asked_for(paths, bench.world)
        tags = {path: ask(server, path, token).headers["etag"] for server, path in ((own, PAGE), (fastapi, cached))}
        for server in (own, shelfless):
            ask(server, PAGE, token)
            expect(server, PAGE, token, "orders; hit; ttl=")
        names = ["ours", "FastAPI + asyncpg + Redis", "waitress alone", "ours, from Redis"]
        hits = [
            get(names[0], own, PAGE, token),
            get(names[1], fastapi, cached, token),
            get(names[2], bare, "/", token),
            get(names[3], shelfless, PAGE, token),
        ]
        hit = interleaved(hits, CLIENTS, bench.pace.times(0.6))
        known = [
            get(names[0], own, PAGE, token, {"If-None-Match": tags[PAGE]}, 304),
            get(names[1], fastapi, cached, token, {"If-None-Match": tags[cached]}, 304),
            get(names[2], bare, "/empty", token),
        ]
        not_modified = interleaved(known, CLIENTS, bench.pace.times(0.6))
    note = (
        "The same page, kept. Token and revisions are checked in the database on every request; then FastAPI has "
        "the page from Redis, and ours from the process' own shelf, as it gave it out before: the last row is without "
        f"one. Waitress alone checks nothing and is the ceiling. {CLIENTS} clients."
    )
    busy = max(figures.busy for figures in (*hit, *not_modified))
    again = f"The same with `If-None-Match`. {CLIENTS} clients, which took {busy:.0%} of a core at most."
    return (
        ({"hit_vs_fastapi": ratio(hit[0], hit[1], "throughput")}, compared("Cached hit", note, names, hit)),
        (
            {"not_modified_vs_fastapi": ratio(not_modified[0], not_modified[1], "throughput")},
            compared("304", again, names[:3], not_modified),
        ),
    )


def export(bench: Bench) -> Result:
    company = company_of(bench.world.main)
    streams: list[tuple[dict[str, Any], dict[str, Any]]] = []
    with ours() as own:
        ask(own, f"{PAGE}?limit=200", bench.world.main)
        before = own.resident()
        own.forget_peak()
        for _ in range(bench.pace.times(rounds=0.6).rounds):
            exported = stream("export", str(own.port), bench.world.main)
            streams.append((exported, stream("copy", company)))
        added = (own.peak() - before) / MB
    for exported, copied in streams:
        if (exported["rows"], copied["rows"]) != (bench.world.orders, bench.world.orders):
            raise BenchError(f"export {exported['rows']} rows, COPY {copied['rows']}")
        agreement.same("COPY", "row", exported["sample"], copied["sample"])

    def median(number: int, of: str) -> float:
        return statistics.median(pair[number][of] for pair in streams)

    speed = statistics.median(copied["seconds"] / exported["seconds"] for exported, copied in streams)
    rows = [
        [name, f"{bench.world.orders / median(number, 'seconds'):,.0f}", f"{median(number, 'first') * 1000:.0f}"]
        for number, name in enumerate(["ours", "COPY … TO STDOUT"])
    ]
    note = (
        f"`GET {PAGE}/export` of {bench.world.orders:,} orders with lines, {median(0, 'bytes') / MB:.0f} MB of NDJSON; "
        f"it adds {added:.1f} MB to the server's memory at its peak."
    )
    table = Table("Export", note, ["", "orders/s", "first byte, ms"], rows)
    first = median(0, "first") * 1000
    return {"export_vs_copy": speed, "export_rss_mb": max(added, 0.0), "export_first_byte_ms": first}, table


def stream(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.stream", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchError(f"{arguments[0]}: {done.stderr.strip()}")
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


# --- What nothing may grow with


def depth(bench: Bench) -> Result:
    """Pages of 10, so that 100,000 orders have 10,000 of them; whatever depth costs shows more beside less else."""
    with ours() as own:
        cursor = walk(own, bench.world.main, skip=bench.world.orders - 11)
        path = f"{PAGE}?limit=10"
        near = get("page 1", own, path, bench.world.main, ANEW)
        far = get(f"page {bench.world.orders // 10:,}", own, f"{path}&cursor={cursor}", bench.world.main, ANEW)
        figures = interleaved([near, far], 1, bench.pace.times(0.6))
    table = paced("Depth", f"Pages of 10 of {bench.world.orders:,} orders, one client.", [near, far], figures)
    return {"depth_1_vs_10000": ratio(figures[1], figures[0], "p50")}, table


def offices(bench: Bench) -> Result:
    """By who has a role in a company, and by who has the same one in each office by itself."""
    kinds = {"list": PAGE, "summary": f"{PAGE}/summary?group_by=status"}
    world = bench.world
    people = {"its owner": (world.few, world.many), "an owner of each office": (world.few_listed, world.many_listed)}
    names = [f"{kind}, {name}" for kind in kinds for name in people]
    with ours() as own:
        contenders = [
            get("offices", own, path, token, ANEW)
            for path in kinds.values()
            for tokens in people.values()
            for token in tokens
        ]
        figures = interleaved(contenders, 1, bench.pace.times(0.5))
    note = f"p50 in milliseconds, {world.orders // 5:,} orders of a company, one client."
    table, ratios = paired("Offices", note, ["10 offices", "1,000 offices", "1,000 / 10"], names, figures, "p50")
    return {"offices_10_vs_1000": max(ratios)}, table


# --- The process


def processes(bench: Bench) -> Result:
    """By lists that serializers render, which is the web process' own work: all else needs the second core too."""
    token = bench.world.main
    kinds = {"indented list": {**UNKEPT, "Accept": "application/json; indent=1"}, "cold list": ANEW, "hit": NONE}
    with ours() as one, ours(WEB_CONCURRENCY="2") as two:
        contenders = [
            get(kind, server, PAGE, token, headers) for kind, headers in kinds.items() for server in (one, two)
        ]
        for server in (one, two):
            expect(server, PAGE, token, "orders; ")  # and the page is kept
        slow, fast = bench.pace.times(0.6, 3), bench.pace.times(0.4)  # a turn of the slow ones is thirty answers
        figures = interleaved(contenders[:2], 32, slow) + interleaved(contenders[2:], 32, fast)
    note = (
        "Requests a second, 32 clients. Serializers render an indented list. A cold list takes PostgreSQL as long as "
        "the web process, and a hit takes PostgreSQL and the clients as long, on the same two cores."
    )
    head = ["one process", "two processes", "two / one"]
    table, ratios = paired("Processes", note, head, kinds, figures, "throughput")
    return {"two_processes_vs_one": ratios[0]}, table


def memory(bench: Bench) -> Result:
    with ours(threads=3) as own:
        base = own.resident() / MB
        load(get("pages of 200", own, f"{PAGE}?limit=200", bench.world.main, ANEW), 32, bench.pace.seconds * 4)
        peak = own.peak() / MB
    note = "32 clients, 3 threads, pages of 200 computed anew."
    return {"rss_mb": peak}, Table("Memory", note, ["", "MB"], [["idle", f"{base:.1f}"], ["peak", f"{peak:.1f}"]])


# --- Writing, and watching


def create(bench: Bench) -> Result:
    lines = [{"sku": f"SKU-{number:04d}", "quantity": number} for number in range(1, 5)]
    body = json.dumps({"office": bench.world.office, "lines": lines}).encode()
    with ours() as own, on_waitress("drf") as drf:
        agreement.check_creates({"ours": own, "DRF": drf}, bench.world, body)
        contenders = [
            post("ours", own, PAGE, bench.world.writer, body),
            post("Django REST framework", drf, PAGE, bench.world.writer, body),
        ]
        figures = interleaved(contenders, 1, bench.pace)
    note = f"`POST {PAGE}` with 4 lines and an `Idempotency-Key`, one client: the same rows and the same answer."
    return {"create_vs_drf": ratio(figures[0], figures[1], "p50")}, paced("Create", note, contenders, figures)


def counting(bench: Bench) -> Result:
    """By processor time, and by turns of one process: `bench.switched` says why."""
    token, names = bench.world.main, ("cold list", "hit", "304")
    plain, counted = ([Figures() for _ in names] for _ in range(2))
    for _ in range(PROCESSES):
        with ours(module="bench.switched") as server:
            tag = ask(server, PAGE, token).headers["etag"]
            contenders = [
                get("cold list", server, PAGE, token, ANEW),
                get("hit", server, PAGE, token),
                get("304", server, PAGE, token, {"If-None-Match": tag}, 304),
            ]
            for contender, on, off in zip(contenders, counted, plain, strict=True):
                load(contender, CLIENTS, bench.pace.seconds / 6)
                ask(server, switched.PATH, token)
                load(contender, CLIENTS, bench.pace.seconds * 1.5)
                for with_it, without in json.loads(ask(server, switched.PATH, token).body):
                    on.cpu.append(with_it)
                    off.cpu.append(without)
    overhead = [(ratio(one, other, "cpu") - 1) * 100 for one, other in zip(counted, plain, strict=True)]
    rows = [
        [name, f"{other.median('cpu'):.3f}", f"{one.median('cpu'):.3f}", f"{share:+.1f} %"]
        for name, one, other, share in zip(names, counted, plain, overhead, strict=True)
    ]
    head = ["", "not counted, ms", "counted, ms", "adds"]
    note = (
        "Processor time a request with and without `querybudget.middleware.QueryBudgetMiddleware`: "
        f"{min(len(one.cpu) for one in counted):,} pairs of turns or more, of {PROCESSES} processes."
    )
    return {"counting_overhead_pct": max(overhead)}, Table("Counting", note, head, rows)


# --- What they share


def company_of(token: str) -> str:
    from django.db import connection

    from businesses.authentication import resolve

    (company,) = resolve(token)[1].grants.companies
    connection.close()
    return str(company)


def compared(title: str, note: str, names: Iterable[str], figures: list[Figures]) -> Table:
    """Throughput, p50 and processor time of each; ratios are the first one's throughput divided by theirs."""
    rows = [
        [
            name,
            f"{theirs.median('throughput'):.0f}",
            f"{theirs.median('p50'):.1f}",
            f"{theirs.median('cpu'):.2f}",
            f"{ratio(figures[0], theirs, 'throughput'):.2f}",
        ]
        for name, theirs in zip(names, figures, strict=True)
    ]
    bars = {row[0]: theirs.median("throughput") for row, theirs in zip(rows, figures, strict=True)}
    head = ["", "requests/s", "p50 ms", "processor ms a request", "first / this"]
    return Table(title, note, head, rows, bars)


def paired(
    title: str, note: str, head: list[str], names: Iterable[str], figures: list[Figures], of: str
) -> tuple[Table, list[float]]:
    """Two figures in each row, and the ratio of the second to the first."""
    rows, ratios = [], []
    for name, first, second in zip(names, figures[::2], figures[1::2], strict=True):
        ratios.append(ratio(second, first, of))
        rows.append([name, f"{first.median(of):.4g}", f"{second.median(of):.4g}", f"{ratios[-1]:.2f}"])
    return Table(title, note, ["", *head], rows), ratios


def paced(title: str, note: str, contenders: list[Contender], figures: list[Figures]) -> Table:
    rows = [
        [contender.name, f"{theirs.median('p50'):.2f}", f"{ratio(theirs, figures[0], 'p50'):.2f}"]
        for contender, theirs in zip(contenders, figures, strict=True)
    ]
    return Table(title, note, ["", "p50 ms", "this / first"], rows)
