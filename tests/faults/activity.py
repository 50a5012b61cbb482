"""What the database does at this moment, as PostgreSQL tells it."""

from __future__ import annotations

from django.db import connection


def waiting_for_a_lock() -> int:
    """How many statements wait for a lock that another transaction holds."""
    return number("SELECT count(*) FROM pg_locks WHERE NOT granted")


def served(condition: str = "true") -> int:
    """How many connections the servers of `serve_here` have, of those that fulfil `condition`."""
    return number(f"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'served' AND {condition}")  # noqa: S608 tests' own words


def working() -> int:
    """How many of them run a statement or are inside a transaction. Told once for each transaction of the asker."""
    return served("state <> 'idle'")


def number(sql: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return int(cursor.fetchone()[0])
