"""manage.py cache_stats"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.table import Table

from api.management.answering import shared_cache
from api.pagecache import PREFIX, TALLY
from querybudget.progress import progress


class Command(BaseCommand):
    help = "Print hits, reads, kept pages and their bytes for each endpoint."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py cache_stats"

    def handle(self, *args: Any, **options: Any) -> None:
        cache = shared_cache()
        if cache is None:
            raise CommandError("the cache is in the memory of each process (REDIS_URL is not set): nothing to see here")
        client = cache.client.get_client()
        outcomes: defaultdict[str, defaultdict[str, int]] = defaultdict(lambda: defaultdict(int))
        for name in cache.iter_keys(f"{TALLY}:*"):
            _, route, outcome = name.split(":")
            outcomes[route][outcome] += cache.get(name) or 0
        keys: defaultdict[str, list[int]] = defaultdict(list)
        with progress("pages") as shown:
            for name in cache.iter_keys(f"{PREFIX}:*"):
                shown.advance()
                if name.count(":") == 2:  # a lock has one more
                    keys[name.split(":")[1]].append(client.strlen(cache.make_key(name)))
        table = Table("endpoint", "hits", "reads", "hit %", "pages", "bytes")
        for route in sorted({*outcomes, *keys}):
            hits, reads = outcomes[route]["hit"], sum(outcomes[route].values())
            share = f"{100 * hits / reads:.0f}" if reads else "-"
            table.add_row(route, str(hits), str(reads), share, str(len(keys[route])), str(sum(keys[route])))
        output: Any = self.stdout
        Console(file=output, width=120).print(table)
