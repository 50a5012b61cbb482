"""Servers as deployed, on the suite's database or on engines of their own.

Imports of models wait for the fixtures, as pytest may read this file before the settings are there.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from tests import servers
from tests.faults.engines import Postgres, Redis
from tests.service import Service

if TYPE_CHECKING:
    pass

Serve = Callable[..., Service]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(WEB_THREADS="2", …)`: start the server with these variables; killed when the test ends."""
    running: list[Service] = []

    def start(**environment: str) -> Service:
        running.append(Service.start(**environment))
        return running[-1]

    yield start
    for service in running:
        service.kill()


# --- The suite's database


@pytest.fixture
def serve_here(database_url: str, serve: Serve) -> Serve:
    """`serve` on the test's database, where its connections are named `served`.

    It ends before the database is emptied, which would wait for its connections.
    """
    return lambda **environment: serve(DATABASE_URL=f"{database_url}?application_name=served", **environment)


# --- Engines to break


@pytest.fixture(scope="session")
def _postgres() -> Iterator[Postgres]:
    folder = Path(tempfile.mkdtemp(prefix="orders-faults-", dir=None if servers.traversable() else "/var/tmp"))  # noqa: S108 mkdtemp makes a private folder there
    engine = Postgres(folder)
    try:
        engine.manage("migrate", "-v0")
        engine.manage("seed_demo", "--companies=1", "--offices=350", "--users=2", "--orders=5000", "-v0")
        yield engine
    finally:
        engine.kill()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres(_postgres: Postgres) -> Iterator[Postgres]:
    """A server with the demo data: the user `demo` owns a company with 350 offices and 5,000 orders."""
    yield _postgres
    _postgres.back()


@pytest.fixture(scope="session")
def demo_token(_postgres: Postgres) -> str:
    return _postgres.manage("create_token", "demo").strip()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    yield server
    server.kill()


# --- A slow database


@contextmanager
def slow(table: str, seconds: float, at: str = "") -> Iterator[None]:
    """Each query of `table` takes `seconds` more, in the database, without work for anybody; or each row `at` does."""
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} RENAME TO {table}_quick")
        pause = f"(SELECT pg_sleep({seconds})::text) IS NOT NULL"  # asked once, before any row is looked for
        if at:
            pause = f"CASE WHEN {at} THEN pg_sleep({seconds})::text ELSE '' END IS NOT NULL"
        cursor.execute(f"CREATE VIEW {table} AS SELECT * FROM {table}_quick WHERE {pause}")  # noqa: S608 tests' own words
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP VIEW {table}")
            cursor.execute(f"ALTER TABLE {table}_quick RENAME TO {table}")
