"""What the database does at this moment, as PostgreSQL tells it."""

from __future__ import annotations

from django.db import connection


def waiting_for_a_lock() -> int:
    """How many statements wait for a lock that another transaction holds."""
    return connections("wait_event_type = 'Lock'")


def served() -> int:
    """How many connections the servers of `serve_here` have."""
    return connections("application_name = 'served'")


def working() -> int:
    """How many of them run a statement or are inside a transaction."""
    return connections("application_name = 'served' AND state <> 'idle'")


def connections(condition: str) -> int:
    """How many connections to the test's database are like this now, which a transaction would not see by itself."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(f"SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND {condition}")  # noqa: S608 tests' own words
        return int(cursor.fetchone()[0])
