"""`/healthz`: this process answers. `/readyz`: so do the services it leans on, each with its latency.

Both have threads of their own (`config.lanes`), and neither waits: the services are asked by threads that may, and what
they found out is told. A look that takes longer than `PATIENCE` tells that nobody answers, until it ends.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import Error as DatabaseFailure
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from api.throttling import counts_here
from api.watchdog import watchdog

PATIENCE = 0.5  # seconds
LONGEST_SECONDS = 5.0  # then the watchdog ends a look at a database that is frozen


@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"status": "ok"})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """503 while the database is away. Without Redis the service is slower, but ready.

    `limits`: who counts requests, all processes together or each its own ("here").
    """
    asked = {"database": database.look()}
    if settings.REDIS_URL:
        asked["redis"] = redis.look()
    wait(asked.values(), PATIENCE)
    services = {name: found(look) for name, look in asked.items()}
    if "redis" in services:
        services["redis"]["limits"] = "here" if counts_here() else "shared"
    ready = services["database"]["ok"]
    return JsonResponse({"status": "ok" if ready else "unavailable", **services}, status=200 if ready else 503)


def found(look: Future[dict[str, Any]]) -> dict[str, Any]:
    return dict(look.result()) if look.done() else {"ok": False, "milliseconds": None}


class Looking:
    """Asks one service, one look at a time, on a thread of its own. What was found is told for `fresh_seconds`."""

    fresh_seconds = 0.0

    def __init__(self, ask: Callable[[], bool]) -> None:
        self.ask = ask
        self._lock = threading.Lock()
        self._look: Future[dict[str, Any]] | None = None
        self._began = 0.0
        self._process = 0

    def look(self) -> Future[dict[str, Any]]:
        """The one that is under way or fresh, else a new one."""
        with self._lock:
            if self._process != os.getpid():  # threads don't come along in a fork
                self._process, self._look = os.getpid(), None
                self._thread = ThreadPoolExecutor(1, "health")
            old = self._look is None or (self._look.done() and time.monotonic() >= self._began + self.fresh_seconds)
            if old:
                self._began = time.monotonic()
                self._look = self._thread.submit(self.probe)
            return self._look  # type: ignore[return-value]  # there is one now

    def probe(self) -> dict[str, Any]:
        start = time.perf_counter()
        answered = self.ask()
        return {"ok": answered, "milliseconds": round((time.perf_counter() - start) * 1000, 1)}


def ask_database() -> bool:
    try:
        with watchdog.watching(LONGEST_SECONDS, connection.alias), connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            return bool(cursor.fetchone())
    except DatabaseFailure:
        return False
    finally:
        connection.close()  # or it would be one more for as long as the process lives


def ask_cache() -> bool:
    """Whether it takes what is written: one that is away, full or read only does not."""
    return bool(cache.set("readyz", "ok", 10))  # type: ignore[func-returns-value]  # django-redis says


database, redis = Looking(ask_database), Looking(ask_cache)
