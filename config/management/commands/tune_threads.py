"""manage.py tune_threads"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from businesses import tokens
from businesses.models import User
from config import limits, sizing, tuning
from config.measuring import Load, Measured, MeasuringError, alone, under_load
from config.plot import svg
from querybudget.progress import progress

MB = limits.MB


class Command(BaseCommand):
    help = (
        "Measure what a request costs with one thread, predict how many threads are best, confirm it under load, "
        "and record it for the server. Starts servers of its own on the configured database. "
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py tune_threads --target '/api/orders?limit=200'"
        parser.add_argument("--target", default="/api/orders", help="what to GET; default: %(default)s")
        parser.add_argument("--as", dest="user", default="demo", help="username of the client; default: %(default)s")
        parser.add_argument("--clients", type=int, default=32, help="clients at once; default: %(default)s")
        parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement; default: %(default)s")
        parser.add_argument(
            "--rounds", type=int, default=3, help="of the sweep; the fastest run counts; default: %(default)s"
        )
        parser.add_argument("--memory", type=int, help="MB to keep to, for a smaller machine than this one")
        parser.add_argument(
            "--p95",
            type=float,
            default=settings.SHED_AFTER * 1000.0,
            help="milliseconds to keep to; default: what is shed by then (%(default)s)",
        )
        parser.add_argument("--profile", type=Path, default=sizing.PROFILE, help="file to write; default: the server's")
        parser.add_argument("--output", type=Path, default=settings.LOCAL / "threads", help="folder of table and plot")

    def handle(self, *args: Any, **options: Any) -> None:
        if not sys.platform.startswith("linux"):
            raise CommandError("tune_threads reads /proc and needs Linux")
        for name in ("clients", "rounds", "seconds", "memory", "p95"):
            if options[name] is not None and options[name] <= 0:
                raise CommandError(f"--{name} must be above 0")
        if not options["target"].startswith("/"):
            raise CommandError(f"--target is a path like /api/orders, not {options['target']!r}")
        self.can_write(options["profile"], options["output"])
        try:
            user = User.objects.filter(username=options["user"], is_active=True).first()
        except DatabaseError as problem:
            raise CommandError(f"the database does not answer: {str(problem).strip().splitlines()[0]}") from None
        if user is None:
            raise CommandError(f"there is no active user {options['user']!r}; name one with --as, or run seed_demo")
        token, _ = tokens.issue(user)
        try:
            self.tune(Load(options["target"], token), options)
        except MeasuringError as problem:
            raise CommandError(str(problem)) from None
        finally:
            tokens.revoke(token)

    def can_write(self, profile: Path, output: Path) -> None:
        """Known before minutes of measuring."""
        if profile.is_dir() or not os.access(profile.resolve().parent, os.W_OK):
            raise CommandError(f"--profile {profile}: no file can be written there")
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise CommandError(f"--output {output}: {problem.strerror}") from None

    def tune(self, load: Load, options: dict[str, Any]) -> None:
        load_average, cores = os.getloadavg()[0], os.cpu_count() or 1
        if load_average > 0.3 * cores:
            self.say(f"this machine is busy (load {load_average:.1f} on {cores} cores): expect noise")
        memory = options["memory"] * MB if options["memory"] else limits.memory_bytes()
        connections = limits.database_connections()
        with progress("alone on one thread"):
            measured = alone(load, options["seconds"])
        predicted = tuning.predict(measured, memory, connections)
        self.say(
            f"one thread: {measured.cpu_share:.0%} of a request is computing; {measured.base_bytes / MB:.0f} MB idle, "
            f"{measured.flight_bytes / MB:.1f} MB more for a request under way"
        )
        self.say(f"predicted: {predicted.count} threads ({predicted.reason})")
        runs = self.sweep(load, tuning.around(predicted.count, connections), options)
        bounds = tuning.Bounds(options["p95"], sizing.MEMORY_SHARE * memory)
        picked = tuning.pick(runs, bounds)
        heading = f"GET {load.target}, {options['clients']} clients"
        table = tuning.table(runs, picked)
        self.save(
            options["output"],
            f"{heading}\n\n{table}\n",
            svg(heading, runs, picked.threads if picked else None, predicted.count),
        )
        self.say(f"\n{table}\n")
        if picked is None:
            limit = f"a p95 of {bounds.p95:g} ms and {bounds.rss / MB:.0f} MB"
            raise CommandError(f"no number of threads keeps to {limit}; nothing is recorded")
        options["profile"].write_text(tuning.profile_toml(load.target, measured, picked, options["clients"]))
        self.say(f"recorded {picked.threads} threads in {options['profile']}")

    def sweep(self, load: Load, numbers: list[int], options: dict[str, Any]) -> list[Measured]:
        """Round after round, so that no number has only the moments at which the machine was disturbed."""
        rounds: dict[int, list[Measured]] = {threads: [] for threads in numbers}
        with progress("measurements under load", options["rounds"] * len(numbers)) as shown:
            for _ in range(options["rounds"]):
                for threads, runs in rounds.items():
                    run = under_load(load, threads, options["clients"], options["seconds"])
                    with shown.aside():
                        self.say(f"WEB_THREADS={threads}: {run.throughput:.1f} requests/s, p95 {run.p95:.0f} ms")
                    shown.advance()
                    runs.append(run)
        return [tuning.fastest(runs) for runs in rounds.values()]

    def save(self, folder: Path, table: str, plot: str) -> None:
        (folder / "threads.md").write_text(table)
        (folder / "threads.svg").write_text(plot)
        self.say(f"table and plot: {folder / 'threads.md'}, {folder / 'threads.svg'}")

    def say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()
