"""How many processes and threads: what is said counts, else the least of the caps."""

from __future__ import annotations

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from config import limits, sizing
from config.limits import MB
from config.sizing import Profile, Threads
from tests.config.processes import service
from tests.waiting import eventually

PROFILE = Profile(cpu_share=0.26, base_bytes=50 * MB, flight_bytes=10 * MB)
ROOMY = 8192 * MB


# --- Threads


def test_the_processor_decides_where_there_is_room() -> None:
    assert sizing.threads(PROFILE, ROOMY, 1, 100) == Threads(4, "CPU share: 26% of a request")


def test_a_number_that_was_measured_is_better_than_the_predicted_one() -> None:
    measured = Profile(0.26, 50 * MB, 10 * MB, threads=3)
    assert sizing.threads(measured, ROOMY, 1, 100) == Threads(3, "best measured")


def test_memory_decides_where_it_is_short() -> None:
    assert sizing.threads(PROFILE, 110 * MB, 1, 100) == Threads(3, "memory: 110 MB")  # (0.8 × 110 − 50) / 10


def test_processes_share_the_memory() -> None:
    assert sizing.threads(PROFILE, 220 * MB, 2, 100) == Threads(3, "memory: 220 MB")


@pytest.mark.parametrize(("processes", "dynos", "connections"), [(1, 1, 18), (2, 1, 32), (1, 2, 32), (2, 2, 60)])
def test_connections_decide_where_they_are_few(processes: int, dynos: int, connections: int) -> None:
    decided = sizing.threads(PROFILE, ROOMY, processes, connections, dynos)
    assert decided == Threads(3, f"database: {connections} connections")


def test_a_limit_that_is_not_known_is_left_out_and_said() -> None:
    decided = sizing.threads(PROFILE, ROOMY, 1, None)
    assert decided == Threads(4, "CPU share: 26% of a request; the database's limit is not known")


@pytest.mark.parametrize(("memory", "connections"), [(ROOMY, 1), (10 * MB, 100)])
def test_there_are_two_at_least(memory: int, connections: int) -> None:
    decided = sizing.threads(PROFILE, memory, 1, connections)
    assert (decided.count, decided.reason.partition(";")[0]) == (2, "at least 2")


# --- Processes


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("WEB_CONCURRENCY", "WEB_CONCURRENCY_SET_BY", "WEB_THREADS", "WEB_DYNOS", "DYNO_RAM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("DATABASE_CONNECTIONS", raising=False)
    return monkeypatch


def test_one_process_is_the_default(variables: pytest.MonkeyPatch) -> None:
    assert sizing.processes(ROOMY) == 1


@pytest.mark.parametrize(
    ("memory", "set_by", "expected"),
    [(512, "", 2), (512, "heroku/python", 1), (1023, "heroku/python", 1), (1024, "heroku/python", 2)],
)
def test_what_the_platform_guesses_counts_from_one_gigabyte_on(
    variables: pytest.MonkeyPatch, memory: int, set_by: str, expected: int
) -> None:
    variables.setenv("WEB_CONCURRENCY", "2")
    variables.setenv("WEB_CONCURRENCY_SET_BY", set_by)
    assert sizing.processes(memory * MB) == expected


def test_the_variables_are_heard(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("WEB_CONCURRENCY", "2")
    variables.setenv("WEB_THREADS", "1")
    assert str(sizing.size()) == "2 processes of 1 thread (WEB_THREADS)"


# --- Memory


def test_the_dynos_memory_is_in_megabytes(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("DYNO_RAM", "512")
    assert limits.memory_bytes() == 512 * MB


def test_without_a_variable_the_machine_or_its_control_group_counts(variables: pytest.MonkeyPatch) -> None:
    total = re.search(r"MemTotal: +(\d+) kB", Path("/proc/meminfo").read_text())
    assert total
    assert 0 < limits.memory_bytes() <= int(total[1]) * 1024


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "500"}, [500]),
        ("0::/\n", {"memory.max": "700"}, [700]),
        ("3:cpu:/x\n4:memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "300"}, [300]),
        ("4:memory:/elsewhere\n", {"memory/memory.limit_in_bytes": "200"}, [200]),
        ("0::/\n", {}, []),
    ],
)
def test_limits_of_control_groups_are_found(
    tmp_path: Path, groups: str, files: dict[str, str], expected: list[int]
) -> None:
    (tmp_path / "cgroup").write_text(groups)
    for name, text in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(text + "\n")
    assert limits.control_group_limits(tmp_path / "cgroup", tmp_path / "fs") == expected


# --- Connections


@pytest.fixture
def role(transactional_db: None) -> Iterator[str]:
    """A role that may have 20 connections, and so this test's connection settings."""
    before, name = connection.settings_dict["USER"], f"essential_{os.getpid()}"  # roles are the whole server's
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN CONNECTION LIMIT 20")
    connection.settings_dict["USER"] = name
    yield name
    connection.settings_dict["USER"] = before
    with connection.cursor() as cursor:
        cursor.execute(f"DROP ROLE {name}")


@pytest.mark.django_db
def test_the_servers_limit_counts(variables: pytest.MonkeyPatch) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT current_setting('max_connections')::int, current_setting('superuser_reserved_connections')"
        )
        most, reserved = cursor.fetchone()
    assert limits.database_connections() == most - int(reserved)


def test_the_roles_limit_counts_where_it_is_less(variables: pytest.MonkeyPatch, role: str) -> None:
    assert limits.database_connections() == 20


def test_a_variable_counts_for_more(variables: pytest.MonkeyPatch) -> None:
    variables.setenv("DATABASE_CONNECTIONS", "7")
    assert limits.database_connections() == 7


@pytest.fixture
def frozen_port() -> Iterator[int]:
    """Where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as frozen:
        yield frozen.getsockname()[1]


def test_a_database_that_says_nothing_is_given_up(
    variables: pytest.MonkeyPatch, transactional_db: None, frozen_port: int
) -> None:
    with variables.context() as patched:
        patched.setattr(limits, "ASK_SECONDS", 0.2)
        patched.setitem(connection.settings_dict, "PORT", frozen_port)
        assert limits.database_connections() is None


# --- The recorded profile


def test_the_recorded_profile_can_be_read() -> None:
    assert sizing.read(sizing.PROFILE).threads


@pytest.mark.parametrize(
    "text",
    [
        "",
        "cpu_share = 0.5",
        "cpu_share = 1.5\nbase_bytes = 1\nflight_bytes = 1",
        "cpu_share = 0.5\nbase_bytes = 1\nflight_bytes = 0",
        "cpu_share = 'x'\nbase_bytes = 1\nflight_bytes = 1",
        "not TOML",
    ],
)
def test_a_profile_that_is_wrong_is_named(tmp_path: Path, text: str) -> None:
    file = tmp_path / "profile.toml"
    file.write_text(text)
    with pytest.raises(ImproperlyConfigured, match=r"^profile\.toml "):
        sizing.read(file)


# --- Starting


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout
    return process.stdout.readline()


def test_the_first_line_says_how_many_and_why() -> None:
    with service(DATABASE_CONNECTIONS="10", DYNO_RAM="4096", WEB_THREADS="5") as server:
        assert "1 process of 5 threads (WEB_THREADS), serving on 127.0.0.1:" in first_line(server)


@pytest.mark.parametrize("kind", ["away", "frozen"])
def test_it_starts_while_the_database_is(kind: str, frozen_port: int) -> None:
    port = frozen_port
    if kind == "away":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    with service(DATABASE_URL=f"postgres://nobody@127.0.0.1:{port}/none") as server:
        line = first_line(server)
    assert "the database's limit is not known), serving on 127.0.0.1:" in line


def test_asking_for_the_limit_leaves_no_connection_behind(variables: pytest.MonkeyPatch, role: str) -> None:
    limits.database_connections()
    assert eventually(lambda: connections_of(role) == 0)


def connections_of(role: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = %s", [role])
        return int(cursor.fetchone()[0])
