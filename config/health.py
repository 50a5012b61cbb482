"""`/healthz`: this process answers. `/readyz`: so do the services it leans on, each with its latency."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import Error as DatabaseFailure
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from api.throttling import counts_here


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """503 while the database is away. Without Redis the service is slower, but ready.

    `limits`: who counts requests, all processes together or each its own ("here").
    """
    database = probe(ask_database)
    services = {"database": database}
    if settings.REDIS_URL:
        services["redis"] = probe(ask_cache) | {"limits": "here" if counts_here() else "shared"}
    ready = database["ok"]
    return JsonResponse({"status": "ok" if ready else "unavailable", **services}, status=200 if ready else 503)


def probe(ask: Callable[[], bool]) -> dict[str, Any]:
    start = time.perf_counter()
    answered = ask()
    return {"ok": answered, "milliseconds": round((time.perf_counter() - start) * 1000, 1)}


def ask_database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone())
    except DatabaseFailure:
        return False


def ask_cache() -> bool:
    """Whether it takes what is written: one that is away, full or read only does not."""
    return bool(cache.set("readyz", "ok", 10))  # type: ignore[func-returns-value]  # django-redis says
