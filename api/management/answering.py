"""The shared cache, for commands that can't do without it."""

from __future__ import annotations

from typing import Any

from django.core.cache import caches
from django.core.management.base import CommandError
from redis.exceptions import RedisError


def shared_cache() -> Any:
    """The default cache, on a Redis that answers; None where it is in the memory of each process.

    Requests go on without Redis, and so the cache itself says nothing when it is away.

    Raises:
        CommandError: Redis does not answer.
    """
    cache: Any = caches["default"]
    if not hasattr(cache, "delete_pattern"):
        return None
    try:
        cache.client.get_client().ping()
    except RedisError as problem:
        raise CommandError(f"Redis does not answer: {problem}") from None
    return cache
