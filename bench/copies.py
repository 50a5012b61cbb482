"""Two databases with the same rows, and a Redis database for each: copied anew for each round, so that all begin alike.

The old revision fills a database, with its own commands. The new one gets a copy of it and migrates that, as a
deployment would: row by row the same data, in the same places.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import psycopg2
import redis

from bench.contenders import BenchError
from bench.revision import Revision
from tests.servers import Addresses

SIZE = ("--companies=20", "--offices=600", "--users=300")  # and half of the orders are the demo user's


@dataclass(frozen=True, slots=True)
class Copies:
    """What one revision's servers work on, and a token of the demo user in it."""

    name: str
    addresses: Addresses
    token: str

    def renew(self) -> None:
        """Empty the Redis database, and copy the filled database. Nobody may be connected to either."""
        execute(
            self.addresses.database_url,
            f"DROP DATABASE IF EXISTS {self.name} WITH (FORCE)",
            f"CREATE DATABASE {self.name} TEMPLATE {self.name}_filled",
        )
        with closing(redis.Redis.from_url(self.addresses.redis_url)) as client:
            client.flushdb()

    def variables(self) -> dict[str, str]:
        database_url = at(self.addresses.database_url, self.name)
        return {"DATABASE_URL": database_url, "REDIS_URL": self.addresses.redis_url}


@contextmanager
def filled(servers: Addresses, old: Revision, new: Revision, orders: int) -> Iterator[tuple[Copies, Copies]]:
    """For the old revision and for the new one, on these servers; dropped at the end."""
    url, names = servers.database_url, {"against_old": old, "against_new": new}
    filled_old, filled_new = (f"{name}_filled" for name in names)
    drops = [f"DROP DATABASE IF EXISTS {name}{what} WITH (FORCE)" for name in names for what in ("", "_filled")]
    execute(url, *drops, f"CREATE DATABASE {filled_old}")
    try:
        old.manage(at(url, filled_old), "migrate", "-v0")
        old.manage(at(url, filled_old), "seed_demo", "-v0", *SIZE, f"--orders={orders}")
        execute(url, f"CREATE DATABASE {filled_new} TEMPLATE {filled_old}")
        new.manage(at(url, filled_new), "migrate", "-v0")
        copies = []
        for number, (name, revision) in enumerate(names.items(), start=1):
            token = revision.manage(at(url, f"{name}_filled"), "create_token", "demo")
            execute(at(url, f"{name}_filled"), "VACUUM FULL", "VACUUM ANALYZE")  # migrations leave dead rows behind
            copies.append(Copies(name, Addresses(url, at(servers.redis_url, str(number))), token))
        yield copies[0], copies[1]
    finally:
        execute(url, *drops)


def at(url: str, name: str) -> str:
    """The URL of another database of the same server."""
    return urlsplit(url)._replace(path=f"/{name}").geturl()


def execute(url: str, *statements: str) -> None:
    """Each in a transaction of its own. Raises BenchError for what PostgreSQL refuses."""
    try:
        with closing(psycopg2.connect(url)) as connection:
            connection.autocommit = True
            for statement in statements:
                connection.cursor().execute(statement)
    except psycopg2.Error as problem:
        raise BenchError(str(problem).splitlines()[0]) from None
