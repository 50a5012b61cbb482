"""manage.py seed_demo"""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from orders import demo


class Command(BaseCommand):
    help = "Fill an empty database with demo data. Example: manage.py seed_demo --orders 100000 --seed 7"

    def add_arguments(self, parser: CommandParser) -> None:
        default = demo.Size()
        for name in ("companies", "offices", "users", "orders", "seed"):
            parser.add_argument(f"--{name}", type=int, default=getattr(default, name), help="default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        size = demo.Size(**{name: options[name] for name in ("companies", "offices", "users", "orders", "seed")})
        columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
        # On standard error: standard output stays free for what a caller reads.
        with Progress(*columns, console=Console(file=sys.stderr), disable=options["verbosity"] == 0) as progress:
            task = progress.add_task("orders", total=size.orders)
            try:
                demo.fill(size, lambda rows: progress.advance(task, rows))
            except ValueError as problem:
                raise CommandError(str(problem)) from None
