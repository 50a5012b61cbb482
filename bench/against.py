"""`make bench-against REV=ce452c7`: is the working tree as fast as another revision?

    python -m bench.against REV [--quick] [--rounds N] [--least RATIO] [--results FOLDER]

Both run at the same time, each in its own virtual environment, on its own copy of the same rows and its own Redis
database; only one is loaded at a time, in short turns: one, the other, the other, the one. A round has some of these
groups for each kind, and the median of their ratios is the round's. The next round begins with new processes, because
two of them differ by where their memory happens to lie by more than a change may cost.

Prints a table and writes `bench/results/against.json`. Exit code 1 says that something is slower: the median of its
ratios is below `--least` and its interval excludes 1. With 2 nothing could be compared. `--quick` shows that
everything works; its figures say nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from bench import agreement, report
from bench.contenders import ANEW, THREADS, BenchError, Contender, ask, expect, get, post
from bench.copies import Copies, filled
from bench.interval import FEWEST, Estimate, estimate
from bench.revision import Revision, checked_out, working_tree
from bench.turns import Taken, ratio, take_turns
from config import measuring
from config.measuring import MeasuringError, Server
from querybudget.progress import progress
from tests.servers import ServerMissingError, running

PAGE = "/api/orders"
ROUNDS, LEAST = 20, 0.95
GROUPS, QUICK_GROUPS = 5, 1  # of four turns, for each kind in each round
SECONDS, QUICK_SECONDS = 0.2, 0.05  # of a turn
ORDERS, QUICK_ORDERS = 6_000, 1_000


@dataclass(frozen=True, slots=True)
class Pace:
    rounds: int
    groups: int
    seconds: float


KINDS = {"cold list": 8, "hit": 8, "304": 8, "export": 1, "create": 1}
"""What is asked for, and by how many clients. The last one adds rows."""


@dataclass(slots=True)
class Compared:
    """What each round found of one kind. Ratios are the new revision's figures divided by the old one's."""

    speed: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    figures: dict[str, list[list[float]]] = field(default_factory=lambda: {"old": [], "new": []})

    def add(self, old: Taken, new: Taken) -> None:
        self.speed.append(ratio(new, old))
        self.cpu.append(new.cpu / old.cpu)
        for name, taken in (("old", old), ("new", new)):
            self.figures[name].append([median(taken.rates()), taken.p50(), taken.cpu])

    def medians(self) -> list[str]:
        """Requests a second, p50 and processor milliseconds, each "old → new"."""
        both = zip(*(zip(*self.figures[name], strict=True) for name in ("old", "new")), strict=True)
        return [f"{median(old):.4g} → {median(new):.4g}" for old, new in both]


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two revisions, with what it works on."""

    revision: Revision
    copies: Copies

    def serve(self, stack: ExitStack) -> Server:
        """As it is deployed."""
        variables = {"DJANGO_SETTINGS_MODULE": "config.settings", "MALLOC_ARENA_MAX": "2", **self.copies.variables()}
        python = str(self.revision.python)
        return stack.enter_context(measuring.server(THREADS, python, folder=self.revision.folder, **variables))

    def contender(self, kind: str, server: Server) -> Contender:
        name, token = f"{kind} of {self.revision.name}", self.copies.token
        if kind == "cold list":
            return get(name, server, PAGE, token, ANEW)
        if kind == "export":
            return get(name, server, f"{PAGE}/export?format=ndjson", token)
        first = ask(server, PAGE, token)
        if kind == "create":
            office = json.loads(first.body)["results"][0]["office"]["id"]
            lines = [{"sku": f"SKU-{number:04d}", "quantity": number} for number in range(1, 5)]
            return post(name, server, PAGE, token, json.dumps({"office": office, "lines": lines}).encode())
        expect(server, PAGE, token, "orders; hit")
        if kind == "hit":
            return get(name, server, PAGE, token)
        return get(name, server, PAGE, token, {"If-None-Match": first.headers["etag"]}, 304)


def main() -> int:
    options = parsed()
    try:
        revisions = checked_out(options.revision), working_tree()
        groups, seconds = (QUICK_GROUPS, QUICK_SECONDS) if options.quick else (GROUPS, SECONDS)
        orders = QUICK_ORDERS if options.quick else ORDERS
        with running() as servers, filled(servers, *revisions, orders) as copies:
            about = report.machine(servers.database_url)
            old, new = map(Side, revisions, copies)
            print(f"{about}\nnew: {new.revision.name}, the working tree; old: {old.revision.name}", flush=True)
            found = measured(old, new, Pace(options.rounds, groups, seconds))
    except (ServerMissingError, MeasuringError, BenchError) as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    print(report.markdown(tabulated(found, options.rounds)))
    slower = verdict(found, options.least)
    print("\n".join(slower or [f"Nothing is slower than {options.least:g} × beyond doubt."]))
    kinds = {kind: recorded(compared) for kind, compared in found.items()}
    names = {"new": new.revision.name, "old": old.revision.name}
    report.save(options.results / "against.json", {"machine": about, **names, "kinds": kinds, "slower": slower})
    return 1 if slower else 0


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("revision", metavar="REV", help="a commit, a branch or a tag")
    parser.add_argument("--quick", action="store_true", help=f"{FEWEST} rounds of short turns")
    parser.add_argument("--rounds", type=int, help=f"default: {ROUNDS}")
    parser.add_argument("--least", type=float, default=LEAST, help="throughput, new / old; default: %(default)s")
    parser.add_argument("--results", type=Path, default=report.RESULTS, help="folder of against.json")
    options = parser.parse_args()
    options.rounds = options.rounds or (FEWEST if options.quick else ROUNDS)
    if options.rounds < FEWEST:
        parser.error(f"--rounds must be {FEWEST} or more: fewer give no interval")
    return options


def measured(old: Side, new: Side, pace: Pace) -> dict[str, Compared]:
    found = {kind: Compared() for kind in KINDS}
    with progress("rounds", pace.rounds) as shown:
        for number in range(pace.rounds):
            with ExitStack() as stack:
                sides = (old, new) if number % 2 == 0 else (new, old)
                for side in sides:
                    side.copies.renew()
                servers = {side: side.serve(stack) for side in sides}
                if not number:
                    with shown.aside():
                        print(difference(servers[old], old, servers[new], new), flush=True)
                for kind, taken in one_round(servers, pace).items():
                    found[kind].add(taken[old], taken[new])
            shown.advance()
    return found


def one_round(servers: dict[Side, Server], pace: Pace) -> dict[str, dict[Side, Taken]]:
    """Each kind in turns of both sides, the first one first."""
    found = {}
    for kind, clients in KINDS.items():
        one, other = (side.contender(kind, server) for side, server in servers.items())
        take_turns(one, other, clients, pace.seconds, 1)  # warms up
        taken = take_turns(one, other, clients, pace.seconds, pace.groups)
        found[kind] = dict(zip(servers, taken, strict=True))
    return found


def difference(old_server: Server, old: Side, new_server: Server, new: Side) -> str:
    """Whether both list the same orders, in words: unequal answers may cost unequally, which is no fault."""
    pages = [agreement.page("the list", ask(server, PAGE, side.copies.token))["results"]
             for server, side in ((old_server, old), (new_server, new))]  # fmt: skip
    try:
        agreement.same("the working tree", "results", *pages)
    except BenchError as problem:
        return f"The answers differ: {problem}"
    return "Both answer the same."


def tabulated(found: dict[str, Compared], rounds: int) -> report.Table:
    rows = []
    for kind, compared in found.items():
        rates, p50, cpu = compared.medians()
        rows.append([kind, rates, p50, *cells(estimate(compared.speed)), cpu, *cells(estimate(compared.cpu))])
    note = (
        f"Medians of {rounds} rounds, old → new. Ratios are new / old, with their 95 % interval: more requests a "
        "second are better, and less processor time of the web process."
    )
    head = ["", "requests/s", "p50 ms", "ratio", "95 %", "processor ms a request", "ratio", "95 %"]
    return report.Table("Against another revision", note, head, rows)


def cells(ratio: Estimate) -> list[str]:
    return [f"{ratio.median:.3f}", f"{ratio.low:.3f} to {ratio.high:.3f}"]


def verdict(found: dict[str, Compared], least: float) -> list[str]:
    """A sentence for each kind that is slower beyond doubt."""
    ratios = {kind: estimate(compared.speed) for kind, compared in found.items()}
    return [
        f"Slower: {kind} has {ratio.median:.3f} × the throughput of the old revision, below {least:g}, and its 95 % "
        f"interval ({ratio.low:.3f} to {ratio.high:.3f}) excludes 1."
        for kind, ratio in ratios.items()
        if ratio.median < least and ratio.high < 1
    ]


def recorded(compared: Compared) -> dict[str, object]:
    kept = {"speed": asdict(estimate(compared.speed)), "cpu": asdict(estimate(compared.cpu))}
    return {**kept, "rounds": asdict(compared)}


if __name__ == "__main__":
    sys.exit(main())
