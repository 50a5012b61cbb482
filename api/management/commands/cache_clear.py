"""manage.py cache_clear"""

from __future__ import annotations

from typing import Any

from django.core.cache import cache
from django.core.management.base import BaseCommand

from api.pagecache import PREFIX, TALLY


class Command(BaseCommand):
    help = "Forget all kept pages and their counts; throttles go on. Example: manage.py cache_clear"

    def handle(self, *args: Any, **options: Any) -> str:
        if not hasattr(cache, "delete_pattern"):
            cache.clear()
            return "cleared this process's memory; other processes have their own"
        removed = sum(cache.delete_pattern(f"{prefix}:*", itersize=1000) or 0 for prefix in (PREFIX, TALLY))
        return f"removed {removed} keys"
