"""The servers of the suite live exactly as long as whoever asked for them."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg2
import pytest

from tests import servers
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent
HOLD = "import os, sys, time; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'], flush=True); time.sleep(600)"


def start(python: str = sys.executable, **options: object) -> tuple[subprocess.Popen[str], str, int, Path]:
    """A process that holds servers; their database URL, Redis port and folder."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TEST_")}
    environment["PATH"] += f":{Path(servers.find_redis()).parent}"  # another python looks for no wheel in this venv
    process = subprocess.Popen(  # type: ignore[call-overload]
        [python, "-m", "tests.servers", python, "-c", HOLD],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )
    database_url, redis_url = process.stdout.readline().split()
    with psycopg2.connect(database_url) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        folder = Path(cursor.fetchone()[0]).parent.parent
    connection.close()
    return process, database_url, int(urlsplit(redis_url).port or 0), folder


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_caller_that_is_stopped_leaves_no_server_and_no_folder(how: signal.Signals) -> None:
    process, database_url, redis_port, folder = start()
    postgres_port = int(urlsplit(database_url).port or 0)
    assert folder.exists()
    os.killpg(process.pid, how)  # as a terminal does: the caller's whole group, which the servers are not in
    process.wait()
    assert eventually(lambda: not folder.exists())
    assert not listens(postgres_port)
    assert not listens(redis_port)


def test_an_ordinary_user_can_start_them() -> None:
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin")
    if os.geteuid() != 0 or python is None or not servers.traversable(ROOT):
        pytest.skip("needs root, to become somebody else, and a python3 and a checkout that everybody may read")
    process, _, _, folder = start(python, user="nobody", group="nogroup", extra_groups=[])
    assert folder.owner() == "nobody"
    os.killpg(process.pid, signal.SIGINT)
    process.wait()
    assert eventually(lambda: not folder.exists())


def test_servers_that_run_already_are_used_as_they_are() -> None:
    named = {"TEST_DATABASE_URL": "postgres://elsewhere/x", "TEST_REDIS_URL": "redis://elsewhere/1"}
    script = "import os; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'])"
    command = [sys.executable, "-m", "tests.servers", sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | named, capture_output=True, text=True, check=True)
    assert done.stdout.split() == list(named.values())


# --- Servers that are kept


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `make servers` of this test writes its addresses."""
    for name in ("TEST_DATABASE_URL", "TEST_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(servers, "KEPT", tmp_path / "run" / "servers.json")
    return tmp_path / "run" / "servers.json"


@contextmanager
def keeping(kept: Path) -> Iterator[subprocess.Popen[str]]:
    script = (
        f"import pathlib, sys; from tests import servers; servers.KEPT = pathlib.Path({str(kept)!r}); servers.keep()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        assert "Ctrl-C" in process.stdout.readline()
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)


def test_tests_find_servers_that_are_kept_and_leave_them(kept: Path) -> None:
    with keeping(kept):
        for _ in range(2):
            with servers.shared() as addresses:
                pass
            assert str(kept.read_text()).count(addresses.database_url) == 1
            assert listens(int(urlsplit(addresses.redis_url).port or 0))
    assert not kept.exists()
    assert eventually(lambda: not listens(int(urlsplit(addresses.redis_url).port or 0)))


def test_a_second_run_at_the_same_time_has_servers_of_its_own(kept: Path) -> None:
    with keeping(kept), servers.shared() as first, servers.shared() as second:
        assert first.database_url != second.database_url
        assert first.redis_url != second.redis_url


@pytest.mark.parametrize(
    "text", ["", '{"database_url": "postgres://127.0.0.1:1/x", "redis_url": "redis://127.0.0.1:1/0"}']
)
def test_what_a_killed_keeper_left_behind_is_passed_over(kept: Path, text: str) -> None:
    kept.parent.mkdir()
    kept.write_text(text)
    with servers.shared() as addresses:
        assert listens(int(urlsplit(addresses.redis_url).port or 0))
        assert addresses.redis_url not in text
