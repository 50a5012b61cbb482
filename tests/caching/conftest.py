"""Caching is tested on committed data and with both caches: Redis, and the local memory of `make run`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test.utils import CaptureQueriesContext

if TYPE_CHECKING:  # a conftest may be read before the settings are
    from businesses.models import Company, Office, User
    from orders.models import Product

LOCAL = {"default": {"BACKEND": "api.local.BoundedCache", "LOCATION": "tests"}}


@pytest.fixture(params=["redis", "locmem"])
def store(request: pytest.FixtureRequest, settings: Any, transactional_db: None) -> Iterator[str]:
    """Which cache the test runs with."""
    settings.THROTTLES = dict.fromkeys(settings.THROTTLES, (10**9, 60))
    if request.param == "locmem":
        settings.CACHES = LOCAL
    cache.clear()
    yield request.param
    cache.clear()


@pytest.fixture
def company(store: str) -> Company:
    from tests import factories

    return factories.company()


@pytest.fixture
def office(company: Company) -> Office:
    from tests import factories

    return factories.office(company)


@pytest.fixture
def owner(company: Company) -> User:
    from tests import factories

    return factories.member(company)


@pytest.fixture
def product(store: str) -> Product:
    from tests import factories

    return factories.product()


@pytest.fixture
def in_another_process() -> Callable[[], None]:
    """What this process knows of pages and URLs is gone; what is in the cache is there."""
    from django.conf import settings

    def forget() -> None:
        if settings.FAST:
            from fast import memo

            memo.forget()

    return forget


@pytest.fixture
def queries() -> Callable[[Callable[[], Any]], tuple[Any, int]]:
    """`queries(call)`: what the call answered and how many statements it ran."""

    def measure(call: Callable[[], Any]) -> tuple[Any, int]:
        with CaptureQueriesContext(connection) as captured:
            answered = call()
        return answered, len(captured)

    return measure


@pytest.fixture
def commands(settings: Any) -> Callable[[Callable[[], Any]], tuple[Any, list[str]]]:
    """`commands(call)`: what the call answered and the commands that Redis got in this worker's database."""
    from redis import Redis

    redis = Redis.from_url(settings.REDIS_URL)
    number = int(settings.REDIS_URL.rpartition("/")[2])

    def measure(call: Callable[[], Any]) -> tuple[Any, list[str]]:
        with redis.monitor() as monitor:
            answered = call()
            redis.echo("the end")
            seen: list[str] = []
            for entry in iter(monitor.next_command, None):
                if entry["db"] == number and entry["command"] == "ECHO the end":
                    return answered, seen
                if entry["db"] == number and not entry["command"].startswith(("CLIENT ", "HELLO", "SELECT ")):
                    seen.append(entry["command"].split()[0])
        raise AssertionError("unreachable: monitor() does not end")

    return measure
