"""The suite runs on a real PostgreSQL and a real Redis, started here and stopped when pytest ends."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from django import conf

from tests import servers

if TYPE_CHECKING:  # the settings are not there yet
    from businesses.models import Office, User

ENVIRONMENT = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "SECRET_KEY": "a-key-for-tests-only-0123456789-0123456789-0123456789",
    "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    "HTTPS": "0",
    "SHAPING_GUARD": "budgets",
    "LOG_LEVEL": "ERROR",
    "REDIS_TIMEOUT": "10000",  # milliseconds: a busy machine is no outage
}

FAST = Path(__file__).parent / "fast"
OF_A_DEPLOYMENT = (
    *(
        "BEHIND_ROUTER",
        "CSRF_TRUSTED_ORIGINS",
        "DATABASE_CA",
        "DATABASE_CONNECTIONS",
        "REDIS_CA",
        "REDIS_VERIFY",
        "DATABASE_REPLICA_URL",
        "DEBUG",
        "DYNO",
    ),
    *("DYNO_RAM", "METRICS_TOKEN", "PORT", "REQUEST_DEADLINE", "SECURE_HSTS_SECONDS", "SENTRY_DSN", "SHED_AFTER"),
    *("STATIC_HOST", "WEB_CONCURRENCY", "WEB_DYNOS", "WEB_THREADS"),
)
"""Variables that a test sets by itself, and that a platform's test runner may have set to something else."""


def pytest_configure(config: pytest.Config) -> None:
    """Runs before pytest-django reads the settings. Workers of xdist share the servers of their controller."""
    if conf.settings.configured:  # they would name another database
        raise pytest.UsageError("the settings were loaded before the servers run: unset DJANGO_SETTINGS_MODULE")
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in a shell's background, and so in all that tests start
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for name in OF_A_DEPLOYMENT:
        os.environ.pop(name, None)
    os.environ.update(ENVIRONMENT)
    worker = getattr(config, "workerinput", {}).get("workerid", "")
    if not worker:
        stack = ExitStack()
        config.add_cleanup(stack.close)
        if config.option.basetemp is None:  # pytest's own choice would stay behind
            config.option.basetemp = stack.enter_context(TemporaryDirectory(prefix="orders-tests-"))
        try:
            addresses = stack.enter_context(servers.shared())
        except servers.ServerMissingError as problem:
            raise pytest.UsageError(str(problem)) from None
        os.environ["DATABASE_URL"] = addresses.database_url
        os.environ["REDIS_URL"] = addresses.redis_url
    else:
        base, number = os.environ["REDIS_URL"].rsplit("/", 1)[0], int(worker.removeprefix("gw")) + 1
        os.environ["REDIS_URL"] = f"{base}/{number}"
    if config.option.query_budgets_ledger is None:
        config.option.query_budgets_ledger = conf.settings.QUERY_BUDGETS_LEDGER
    # That loads them: pytest-django sets Django up only where settings are loaded.
    conf.settings.INSTALLED_APPS = [*conf.settings.INSTALLED_APPS, "tests.newcomer"]
    # A worker that inherited it would load its settings before it comes here, with its controller's Redis.
    del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_report_header() -> str:
    return "" if conf.settings.FAST else "FAST=0: nothing is accelerated, and tests/fast is left out"


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path == FAST and not conf.settings.FAST else None


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """No test sees what another's requests left: counters, answers, a breaker that its dead Redis opened."""
    from django.core.cache import cache

    from api import pagecache, throttling
    from api.breaker import breaker

    if conf.settings.FAST:
        from fast.memo import forget

        forget()
    throttling.counts.clear()
    pagecache.allowance.clear()
    breaker.closed()
    cache.clear()


@pytest.fixture(autouse=True)
def _plain_static_files(settings: Any) -> None:
    """Nobody ran collectstatic; `tests/deploy` does."""
    settings.STORAGES = {"staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"}}


@pytest.fixture
def client_of() -> Callable[..., object]:
    """`client_of(user)`: an API client with a real token of that user, and so its real scope."""
    from rest_framework.test import APIClient

    from businesses import tokens

    def make(user: User) -> APIClient:
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {tokens.issue(user)[0]}")
        return client

    return make


@pytest.fixture
def by_serializers() -> Iterator[None]:
    """Nothing is accelerated: the reference that what is faster is held to."""
    from api.seam import ordinary

    with ordinary():
        yield


# --- For tests with a server: what is written is committed


@pytest.fixture
def database_url(transactional_db: None) -> str:
    """The address of the test's own database."""
    from django.db import connection

    return f"{os.environ['DATABASE_URL'].rpartition('/')[0]}/{connection.settings_dict['NAME']}"


@pytest.fixture
def office(transactional_db: None) -> Office:
    from tests import factories

    return factories.office()


@pytest.fixture
def owner(office: Office) -> User:
    """Owns the company of `office`."""
    from tests import factories

    return factories.member(office.company)


@pytest.fixture
def token(owner: User) -> str:
    from businesses import tokens

    return tokens.issue(owner)[0]
