"""Configuration that a running service can't do without, and a build can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.core.checks import CheckMessage, Error, Info, Tags, register
from redis.exceptions import RedisError

from config import env


def missing() -> list[str]:
    """The names of required variables that are not set."""
    return [name for name in ("SECRET_KEY", "DATABASE_URL", "ALLOWED_HOSTS") if not env.text(name)]


@register(Tags.security, deploy=True)
def required_variables(app_configs: Any, **kwargs: Any) -> list[Error]:
    """`check --deploy` names each missing variable."""
    return [Error(f"{name} is not set.", id=f"config.E{number:03}") for number, name in enumerate(missing(), 1)]


def remarks() -> Iterator[Info]:
    """What of Redis works, and could be safer. The server's log has it at the start, and `check --deploy`."""
    if not settings.REDIS_URL:
        return
    if settings.REDIS_URL.startswith("rediss:") and not settings.REDIS_VERIFY:
        hint = "Give the certificate of its authority as REDIS_CA, where there is one."
        yield Info(
            "Redis' certificate is not checked: what is sent is encrypted, for whoever answers.", hint, id="config.I001"
        )
    try:
        client: Any = caches["default"].client.get_client()  # type: ignore[attr-defined]
        memory = client.info("memory")
        client.connection_pool.disconnect()  # processes are forked
    except RedisError as problem:
        if "CERTIFICATE_VERIFY_FAILED" in str(problem):
            hint = "Give the certificate of its authority as REDIS_CA, or leave it unchecked with REDIS_VERIFY=0."
            yield Info("Redis is left alone, as its certificate can't be trusted.", hint, id="config.I002")
        return
    if memory.get("maxmemory") and memory.get("maxmemory_policy") == "noeviction":
        hint = "heroku redis:maxmemory --policy volatile-lru"
        yield Info("Redis refuses all that is new once it is full (noeviction).", hint, id="config.I003")


@register(Tags.security, deploy=True)
def redis(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return list(remarks())
