"""A PostgreSQL and a Redis of a test's own, to stop, freeze and kill; always found again at the same port."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psycopg2

from tests import outages, servers
from tests.service import ROOT
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
        assert self.ask(b"FLUSHALL") == b"+OK\r\n"

    def ask(self, command: bytes) -> bytes:
        """The first bytes of its answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(command + b"\r\n")
            return connection.recv(1 << 16)


class Postgres:
    """With a database `orders` that belongs to an ordinary role; `admin` is a superuser's address of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
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


class Replica(Postgres):
    """A standby that streams from another server and notes each statement that it is sent."""

    def __init__(self, primary: Postgres) -> None:
        self.folder = folder = primary.folder / "replica"
        given = list(map(str, primary.process.args))  # type: ignore[arg-type]
        binaries, data, self.port = Path(given[0]).parent, folder / "data", outages.closed_port()
        identity = servers.postgres_identity()
        folder.mkdir()
        if identity:
            os.chown(folder, int(identity["user"]), int(identity["group"]))
        address = ["-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres"]
        copy = [str(binaries / "pg_basebackup"), *address, "-D", str(data), "-R", "-c", "fast"]
        subprocess.run(copy, check=True, capture_output=True, **identity)
        notes = ["--log_statement=all", "--logging_collector=on", "--log_directory=.", "--log_filename=statements"]
        command = [given[0], "-D", str(data), f"--port={self.port}", *given[4:], *notes]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **identity)
        self.admin, self.url = (
            url.replace(f":{primary.port}/", f":{self.port}/") for url in (primary.admin, primary.url)
        )
        assert eventually(self.answers)

    def reads_of(self, table: str) -> int:
        """How many statements named a table so far."""
        return (self.folder / "data" / "statements").read_text(errors="replace").count(f'FROM "{table}"')


def find_pgbouncer() -> str:
    """The program, which Debian puts where only root looks; empty if it is not installed."""
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin") or ""


class PgBouncer:
    """In transaction mode, as `heroku-buildpack-pgbouncer` sets it up, before a server."""

    def __init__(self, server: Postgres) -> None:
        self.port = outages.closed_port()
        self.url = server.url.replace(f":{server.port}/", f":{self.port}/")
        file = server.folder / "pgbouncer.ini"
        file.write_text(f"""
            [databases]
            orders = host=127.0.0.1 port={server.port} dbname=orders user=service
            [pgbouncer]
            listen_addr = 127.0.0.1
            listen_port = {self.port}
            unix_socket_dir =
            auth_type = any
            pool_mode = transaction
            default_pool_size = 3
            max_client_conn = 100
        """)
        self.process = subprocess.Popen(
            [find_pgbouncer(), str(file)], stderr=subprocess.DEVNULL, **servers.postgres_identity()
        )
        assert eventually(lambda: answers(self.port))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
