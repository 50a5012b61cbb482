"""manage.py seed_demo"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from orders import demo
from querybudget.progress import progress


class Command(BaseCommand):
    help = "Fill an empty database with demo data."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py seed_demo --orders 100000 --seed 7"
        default = demo.Size()
        for name in ("companies", "offices", "users", "orders", "seed"):
            parser.add_argument(f"--{name}", type=int, default=getattr(default, name), help="default: %(default)s")

    def handle(self, *args: Any, **options: Any) -> None:
        size = demo.Size(**{name: options[name] for name in ("companies", "offices", "users", "orders", "seed")})
        try:
            with progress("orders", size.orders, quiet=options["verbosity"] == 0) as shown:
                demo.fill(size, shown.advance)
        except ValueError as problem:
            raise CommandError(str(problem)) from None
