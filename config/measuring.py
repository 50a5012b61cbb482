"""A server process of our own under load, and what it does and takes meanwhile. Reads /proc: Linux only."""

from __future__ import annotations

import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config import load as loads
from config.load import Answer, LoadError

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
VARIABLES = {  # one process on a free port, reached without a router or https; no throttle in the way
    "PORT": "0",
    "HOST": "127.0.0.1",
    "ALLOWED_HOSTS": "127.0.0.1",
    "HTTPS": "0",
    "BEHIND_ROUTER": "0",
    "DEBUG": "0",
    "LOG_LEVEL": "INFO",
    "WEB_CONCURRENCY": "1",
    "THROTTLE_USER": "1000000000",
}


class MeasuringError(Exception):
    """Nothing can be measured; the message is one line that says why."""


@dataclass(frozen=True, slots=True)
class Load:
    """GET of `target` by the owner of `token`. Pages are computed anew each time: kept ones need no threads."""

    target: str
    token: str

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Token {self.token}", "Cache-Control": "no-cache", "Accept-Encoding": "gzip"}


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: requests a second, milliseconds, and the most bytes that were resident."""

    threads: int
    throughput: float
    p50: float
    p95: float
    rss: int


@dataclass(frozen=True, slots=True)
class Alone:
    """One request after the other, on one thread."""

    cpu_share: float
    base_bytes: int
    flight_bytes: int


@dataclass(frozen=True, slots=True)
class Server:
    """A running `config.server`, or another that says where it serves."""

    process_id: int
    port: int

    def cpu_seconds(self) -> float:
        """Of the process and its workers."""
        return sum(used_by(process) for process in [self.process_id, *self.workers()])

    def workers(self) -> list[int]:
        return [int(worker) for worker in self.read(f"task/{self.process_id}/children").split()]

    def resident(self) -> int:
        return self.kilobytes("VmRSS") * 1024

    def peak(self) -> int:
        return self.kilobytes("VmHWM") * 1024

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process_id}/clear_refs").write_text("5")

    def kilobytes(self, name: str) -> int:
        return int(self.read("status").partition(f"{name}:")[2].split()[0])

    def read(self, name: str) -> str:
        return Path(f"/proc/{self.process_id}/{name}").read_text()


@contextmanager
def server(
    threads: int, python: str = sys.executable, module: str = "config.server", folder: Path = ROOT, **more: str
) -> Iterator[Server]:
    """Start the one in `folder` on the configured database, stop it at the end.

    Raises:
        MeasuringError: it does not start.
    """
    variables = VARIABLES | {"WEB_THREADS": str(threads), "SECRET_KEY": secrets.token_hex(32)} | more
    with started([python, "-m", module], variables, folder) as running:
        yield running


@contextmanager
def started(command: Sequence[str], variables: Mapping[str, str], folder: Path = ROOT) -> Iterator[Server]:
    """A process in `folder` that prints "serving on HOST:PORT". Raises MeasuringError where it does not."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(  # noqa: S603 a server of ours or a peer of it
            command, cwd=folder, env=os.environ | variables, stdout=output, stderr=output
        )
        try:
            yield Server(process.pid, port_of(process, output))
        finally:
            process.terminate()
            process.wait()


def port_of(process: subprocess.Popen[bytes], output: Any) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        ended = process.poll() is not None
        printed = os.pread(output.fileno(), 100_000, 0).decode()
        if found := re.search(r"serving on .*:(\d+)", printed):
            return int(found[1])
        if ended:
            raise MeasuringError(f"the server does not start: {(printed.splitlines() or ['no output'])[-1]}")
        time.sleep(0.05)
    raise MeasuringError(f"the server does not start within {START_SECONDS:.0f} s")


def used_by(process: int) -> float:
    """Seconds of processor time, 0 for a process that has ended."""
    with suppress(FileNotFoundError):
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()  # from the third on, proc(5)
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return 0.0


def alone(load: Load, seconds: float) -> Alone:
    """What a request costs with one thread and one client."""
    with server(threads=1) as running:
        closed_loop(running, Load("/api/me", load.token), clients=1, seconds=0.5)  # connected, all modules loaded
        base = running.resident()
        closed_loop(running, load, clients=1, seconds=seconds / 5)
        running.forget_peak()
        before = running.cpu_seconds()
        answers = closed_loop(running, load, clients=1, seconds=seconds)
        share = (running.cpu_seconds() - before) / sum(answer.seconds for answer in answers)
        return Alone(min(max(share, 0.01), 1.0), base, max(running.peak() - base, 100_000))


def under_load(load: Load, threads: int, clients: int, seconds: float) -> Measured:
    """What so many threads do for clients that each send the next request once they have the answer."""
    with server(threads) as running:
        closed_loop(running, load, clients, seconds / 5)
        running.forget_peak()
        answers = closed_loop(running, load, clients, seconds)
        latencies = [answer.seconds * 1000 for answer in answers]
        cuts = statistics.quantiles([*latencies, latencies[-1]], n=20)  # of two values at least
        throughput = sum(answer.in_time for answer in answers) / seconds
        return Measured(threads, throughput, cuts[9], cuts[18], running.peak())


def closed_loop(running: Server, load: Load, clients: int, seconds: float) -> list[Answer]:
    """All answers to requests sent within `seconds`. Raises MeasuringError for one other than 200."""
    request = loads.get(running.port, load.target, load.headers())
    try:
        return loads.closed_loop(running.port, lambda: request, clients, seconds)
    except LoadError as problem:
        raise MeasuringError(f"{load.target} {problem}") from None
