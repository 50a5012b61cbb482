"""A PostgreSQL and a Redis of a test's own, to stop, freeze and kill; always found again at the same port."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg2

from tests import outages, servers
from tests.faults.service import ROOT
from tests.waiting import eventually


class Redis:
    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, outages.closed_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.start()

    def start(self) -> None:
        options = ["--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder)]
        self.process = subprocess.Popen([servers.find_redis(), *options], stdout=subprocess.DEVNULL)
        assert eventually(lambda: answers(self.port))

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def flush(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            assert connection.recv(5) == b"+OK\r\n"


class Postgres:
    """With a database `orders` that belongs to an ordinary role; `admin` is a superuser's address of it."""

    def __init__(self, folder: Path) -> None:
        self.process, self.admin = servers.start_postgres(folder / "postgres", max_connections="30")
        self.port = int(re.search(r":(\d+)/", self.admin)[1])  # type: ignore[index]
        self.execute("CREATE ROLE service LOGIN")
        self.execute("CREATE DATABASE orders OWNER service")
        self.admin = self.admin.removesuffix("/postgres") + "/orders"
        self.url = self.admin.replace("postgres@", "service@")

    def manage(self, *arguments: str) -> str:
        """What a command of `manage.py` prints, run on this database."""
        command = [sys.executable, "manage.py", *arguments]
        variables = os.environ | {"DATABASE_URL": self.url}
        done = subprocess.run(command, cwd=ROOT, env=variables, check=False, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def execute(self, sql: str) -> list[tuple[object, ...]]:
        with contextlib.closing(psycopg2.connect(self.admin, connect_timeout=10)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return cursor.fetchall() if cursor.description else []

    def processes(self) -> list[int]:
        """The server's processes, the one that starts the others first."""
        children = subprocess.run(
            ["pgrep", "-P", str(self.process.pid)], capture_output=True, text=True, check=False
        ).stdout
        return [self.process.pid, *map(int, children.split())]

    def signal(self, number: signal.Signals) -> None:
        for stopped_first in (1, None):  # no process is added once the first is stopped
            for process in self.processes()[:stopped_first]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, number)

    def freeze(self) -> None:
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """As when its machine loses power."""
        processes = self.processes()
        for process in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()
        assert eventually(lambda: not any(Path(f"/proc/{process}").exists() for process in processes))

    def stop(self) -> None:
        """As its administrator does: connections are told to go."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=30)

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.process.args, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **servers.postgres_identity()
        )
        assert eventually(self.answers)

    def answers(self) -> bool:
        try:
            return bool(self.execute("SELECT 1"))
        except psycopg2.OperationalError:
            return False

    def back(self) -> None:
        """Undo whatever a test did to it."""
        if self.process.poll() is not None:
            self.start()
        self.thaw()
        assert eventually(self.answers)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
