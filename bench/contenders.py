"""Servers that are compared: ours as it is deployed, and peers on the same data, with the threads that suit each."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from config import load, measuring
from config.measuring import ROOT, Server

THREADS = 4  # what config/profile.toml was tuned to
THREADS_OF = {"drf": 2, "ninja_orders": 2}  # their page with 4: 57 a second each, with 2: 61 and 63 (measured)
NONE: Mapping[str, str] = {}
ANEW: Mapping[str, str] = {"Cache-Control": "no-cache"}  # ours computes the answer, whatever it has kept
UNKEPT: Mapping[str, str] = {"Cache-Control": "no-cache, no-store"}  # nor does it keep this one
PEERS = ROOT / ".venv-peers" / "bin" / "python"
DEPLOYED = ROOT / ".venv-deployed" / "bin" / "python"  # what a deployment installs, and no tools for development


class BenchError(Exception):
    """Nothing can be compared: the message is one line that says why."""


def ours(threads: int = THREADS, module: str = "config.server", **variables: str) -> AbstractContextManager[Server]:
    """`python -m config.server`, or another module that does the same, without an access log."""
    python = str(DEPLOYED) if DEPLOYED.exists() else sys.executable
    variables |= {"DJANGO_SETTINGS_MODULE": "bench.settings", "MALLOC_ARENA_MAX": "2"}
    return measuring.server(threads, python, module, ROOT, **variables)


def on_waitress(name: str) -> AbstractContextManager[Server]:
    command = [str(PEERS), "-m", "bench.peers.on_waitress", name]
    return measuring.started(command, {"WEB_THREADS": str(THREADS_OF.get(name, THREADS))})


def on_uvicorn() -> AbstractContextManager[Server]:
    return measuring.started([str(PEERS), "-m", "bench.peers.on_uvicorn"], {})


@dataclass(frozen=True, slots=True)
class Contender:
    """A request to a server, sent again and again. `{number}` in it becomes a number that is new each time."""

    name: str
    server: Server
    request: bytes
    status: int = 200


def get(
    name: str, server: Server, target: str, token: str, headers: Mapping[str, str] = NONE, status: int = 200
) -> Contender:
    sent = {"Authorization": f"Token {token}", **headers}
    return Contender(name, server, load.get(server.port, target, sent), status)


def post(name: str, server: Server, target: str, token: str, body: bytes) -> Contender:
    head = (
        f"POST {target} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nAuthorization: Token {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nIdempotency-Key: {{number}}\r\n\r\n"
    )
    return Contender(name, server, head.encode() + body, 201)


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


def ask(
    server: Server,
    target: str,
    token: str,
    headers: Mapping[str, str] = NONE,
    method: str = "GET",
    body: bytes | None = None,
) -> Answer:
    """One request on a connection of its own; an absolute URL is asked of `server` too."""
    parts = urlsplit(target)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    sent = {"Authorization": f"Token {token}", **headers}
    connection = HTTPConnection("127.0.0.1", server.port, timeout=120)
    try:
        connection.request(method, path, body, sent)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def expect(server: Server, target: str, token: str, cache_status: str, headers: Mapping[str, str] = NONE) -> None:
    """Raises BenchError unless ours says that it does what is to be measured."""
    said = ask(server, target, token, headers).headers.get("cache-status", "none")
    if not said.startswith(cache_status):
        raise BenchError(f"Cache-Status is {said!r}, not {cache_status!r}")
