"""Copies of a database, on the suite's servers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
import redis

from bench.contenders import BenchError
from bench.copies import Copies, at, execute
from tests import outages
from tests.servers import Addresses


@pytest.fixture
def copies() -> Iterator[Copies]:
    url, name = os.environ["DATABASE_URL"], f"copies_{os.getpid()}"
    drops = [f"DROP DATABASE IF EXISTS {name}{what} WITH (FORCE)" for what in ("", "_filled")]
    execute(url, *drops, f"CREATE DATABASE {name}_filled")
    execute(at(url, f"{name}_filled"), "CREATE TABLE rows AS SELECT 1 AS row")
    yield Copies(name, Addresses(url, os.environ["REDIS_URL"]), "token")
    execute(url, *drops)


def rows(copies: Copies) -> int:
    with closing(psycopg2.connect(copies.variables()["DATABASE_URL"])) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM rows")
        return int(cursor.fetchone()[0])


def test_each_round_begins_with_the_rows_as_filled_and_an_empty_redis(copies: Copies) -> None:
    copies.renew()
    execute(copies.variables()["DATABASE_URL"], "INSERT INTO rows VALUES (2)")
    with closing(redis.Redis.from_url(copies.variables()["REDIS_URL"])) as client:
        client.set("page", "kept")
        assert rows(copies) == 2
        copies.renew()
        assert (rows(copies), client.dbsize()) == (1, 0)


def test_a_server_that_is_away_is_one_line() -> None:
    with pytest.raises(BenchError, match=r"^.*Connection refused$"):
        execute(f"postgres://nobody@127.0.0.1:{outages.closed_port()}/none", "SELECT 1")
