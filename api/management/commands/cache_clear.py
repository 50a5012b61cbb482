"""manage.py cache_clear"""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from api.management.answering import shared_cache
from api.pagecache import PREFIX, TALLY


class Command(BaseCommand):
    help = "Forget all pages in Redis and their counts; throttles go on. What a process gave out lately it still has."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py cache_clear"

    def handle(self, *args: Any, **options: Any) -> str:
        cache = shared_cache()
        if cache is None:
            return "nothing to forget: the cache is in the memory of each process (REDIS_URL is not set)"
        removed = sum(cache.delete_pattern(f"{prefix}:*", itersize=1000) or 0 for prefix in (PREFIX, TALLY))
        return f"removed {removed} keys"
