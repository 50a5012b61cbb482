"""What this process may use: bytes of memory, connections to the database."""

from __future__ import annotations

import os
import time
from pathlib import Path
from select import select

import psycopg2
import psycopg2.extensions
from django.db import connection

from config import env

MB = 1024 * 1024
ASK_SECONDS = 2.0
CONNECTIONS = """
    SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int,
           rolconnlimit, datconnlimit
    FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()
"""


def memory_bytes() -> int:
    """`DYNO_RAM` in MB, as Heroku's buildpack sets it; else the control group's limit; else the machine's memory."""
    given = env.optional_integer("DYNO_RAM", least=1)
    if given:
        return given * MB
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min([machine, *control_group_limits()])


def control_group_limits(proc: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> list[int]:
    """The memory limits on this process's control group and those above it, of version 2 or 1 (cgroups(7))."""
    limits = []
    for line in proc.read_text().splitlines() if proc.exists() else []:
        _, controllers, group = line.split(":", 2)
        if controllers == "":
            top, name = root, "memory.max"
        elif "memory" in controllers.split(","):
            top, name = root / "memory", "memory.limit_in_bytes"
        else:
            continue
        inner = top / group.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder.is_relative_to(top) and (folder / name).exists():
                text = (folder / name).read_text().strip()
                limits += [int(text)] if text.isdecimal() else []  # "max" is no limit
    return limits


def database_connections() -> int | None:
    """How many connections the database allows in all; None where it is no PostgreSQL or does not answer in 2 s.

    `DATABASE_CONNECTIONS` if set: a pooler in front, or a plan, can allow less than the server says. Otherwise the
    least of the server's, the role's and the database's limit.
    """
    given = env.optional_integer("DATABASE_CONNECTIONS", least=1)
    if given or connection.vendor != "postgresql":
        return given
    try:
        limits = ask(CONNECTIONS, time.monotonic() + ASK_SECONDS)
    except (psycopg2.Error, TimeoutError):
        return None
    return min(limit for limit in limits if limit >= 0)  # -1 is no limit


def ask(query: str, deadline: float) -> tuple[int, ...]:
    """One row, over a connection of its own that never blocks: the answer can't take longer than the deadline."""
    parameters = {name: value for name, value in connection.get_connection_params().items() if name != "cursor_factory"}
    asking = psycopg2.connect(**parameters, async_=True)
    try:
        wait(asking, deadline)
        cursor = asking.cursor()
        cursor.execute(query)
        wait(asking, deadline)
        row: tuple[int, ...] = cursor.fetchone()
        return row
    finally:
        asking.close()


def wait(asking: psycopg2.extensions.connection, deadline: float) -> None:
    while (state := asking.poll()) != psycopg2.extensions.POLL_OK:
        reads = [asking] if state == psycopg2.extensions.POLL_READ else []
        writes = [asking] if state == psycopg2.extensions.POLL_WRITE else []
        if not any(select(reads, writes, [], max(deadline - time.monotonic(), 0))):
            raise TimeoutError
