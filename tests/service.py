"""The service as deployed: `python -m config.server` as a process of its own, and a client for it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Service:
    """A running server, killed at the end of a `with`. `log` holds what it has printed so far."""

    process: subprocess.Popen[str]
    port: int = 0
    log: list[str] = field(default_factory=list)

    @classmethod
    def start(cls, **environment: str) -> Self:
        """Start it and wait until it listens. Variables beside the suite's own name its database, Redis and limits."""
        variables = {"PORT": "0", "HOST": "127.0.0.1", "LOG_LEVEL": "INFO", "THROTTLE_USER": "1000000"}
        variables |= {"WEB_CONCURRENCY": "1", **environment}
        service = cls(
            subprocess.Popen(
                [sys.executable, "-m", "config.server"],
                cwd=ROOT,
                env=os.environ | variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        output = service.process.stdout
        assert output
        for line in output:
            service.log.append(line)
            if started := re.search(r"serving on [^\s:]+:(\d+)", line):
                service.port = int(started[1])
                break
        assert service.port, service.log
        threading.Thread(target=lambda: service.log.extend(output), daemon=True).start()
        return service

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()

    def terminate(self) -> int:
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def cpu_seconds(self) -> float:
        """What the process has used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def megabytes(self, of: str = "VmRSS") -> float:
        """Resident memory now, or at its peak (`VmHWM`)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{of}:\s+(\d+) kB", status)[1]) / 1000  # type: ignore[index]

    def forget_peak(self) -> None:
        """Let `VmHWM` begin anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")


@dataclass(frozen=True, slots=True)
class Client:
    """Somebody with a token, at a server or the router before it. Each call opens a connection."""

    port: int
    token: str
    timeout: float = 60

    def headers(self, **more: str) -> dict[str, str]:
        return {"Host": "localhost", "Authorization": f"Token {self.token}", **more}

    def get(self, path: str, **headers: str) -> Answer:
        return self.ask("GET", path, None, headers)

    def post(self, path: str, body: dict[str, Any], **headers: str) -> Answer:
        return self.ask("POST", path, json.dumps(body), {"Content-Type": "application/json", **headers})

    def ask(self, method: str, path: str, body: str | None, headers: dict[str, str]) -> Answer:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        try:
            connection.request(method, path, body, self.headers(**headers))
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def reading(self, path: str) -> socket.socket:
        """A connection on which `path` was asked for; little of an answer that is not read fits on its way."""
        asking = socket.socket()
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asking.settimeout(self.timeout)
        asking.connect(("127.0.0.1", self.port))
        headers = "".join(f"{name}: {value}\r\n" for name, value in self.headers().items())
        asking.sendall(f"GET {path} HTTP/1.1\r\n{headers}\r\n".encode())
        return asking
