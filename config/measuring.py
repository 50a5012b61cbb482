"""A server process of our own under load, and what it does and takes meanwhile. Reads /proc: Linux only."""

from __future__ import annotations

import os
import re
import secrets
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60.0
REQUEST_SECONDS = 60.0
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
    """A running `config.server`."""

    process_id: int
    port: int

    def cpu_seconds(self) -> float:
        fields = self.read("stat").rpartition(")")[2].split()  # from the third on, proc(5)
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

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
def server(threads: int) -> Iterator[Server]:
    """Start one on the configured database, stop it at the end. Raises MeasuringError where it does not start."""
    environment = os.environ | VARIABLES | {"WEB_THREADS": str(threads), "SECRET_KEY": secrets.token_hex(32)}
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.server"], cwd=ROOT, env=environment, stdout=output, stderr=output
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
    loop = Loop(running, load, time.monotonic() + seconds)
    threads = [threading.Thread(target=loop.client, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if loop.problem:
        raise MeasuringError(loop.problem)
    return loop.answers


@dataclass(frozen=True, slots=True)
class Answer:
    seconds: float
    in_time: bool  # before the loop's time was over


@dataclass(slots=True)
class Loop:
    running: Server
    load: Load
    deadline: float
    answers: list[Answer] = field(default_factory=list)
    problem: str = ""

    def client(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.running.port, timeout=REQUEST_SECONDS)
        try:
            while time.monotonic() < self.deadline and not self.problem:
                sent = time.perf_counter()
                connection.request("GET", self.load.target, headers=self.load.headers())
                response = connection.getresponse()
                response.read()
                answered = time.perf_counter()
                if response.status != 200:
                    self.problem = f"{self.load.target} answers {response.status}, not 200"
                self.answers.append(Answer(answered - sent, time.monotonic() < self.deadline))
        except (OSError, HTTPException) as failure:
            self.problem = f"{self.load.target}: {failure}"
        finally:
            connection.close()
