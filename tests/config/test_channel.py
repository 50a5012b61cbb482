"""Answers that leave at once, and those that a client does not take: none is lost or waits for the loop to wake."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from config.drain import turn
from config.server import make_server
from tests.waiting import eventually

SLEEP = 30.0  # seconds that the loop sleeps unless it is woken: longer than a client here waits
LARGE = b"0123456789abcdef" * 250_000


@dataclass
class Running:
    """A server in this process, its application, and how often its loop was woken."""

    server: Any
    woken: list[None] = field(default_factory=list)

    @property
    def port(self) -> int:
        return int(self.server.effective_port)

    def connect(self, buffer: int = 0) -> socket.socket:
        client = socket.socket()
        if buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        client.settimeout(10)
        client.connect(("127.0.0.1", self.port))
        return client


@contextlib.contextmanager
def serving(application: Any) -> Iterator[Running]:
    server = make_server(application, 2, host="127.0.0.1", port=0)
    running, wake, ended = Running(server), server.trigger.pull_trigger, threading.Event()

    def woken(*arguments: Any) -> None:
        running.woken.append(None)
        wake(*arguments)

    server.trigger.pull_trigger = woken

    def run() -> None:
        while not ended.is_set():
            turn(server, SLEEP)

    loop = threading.Thread(target=run)
    loop.start()
    try:
        yield running
    finally:
        ended.set()
        wake()
        loop.join()
        server.task_dispatcher.shutdown(timeout=1)
        for channel in list(server.active_channels.values()):
            channel.handle_close()
        server.close()


def plain(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    """`/304`, `/pieces`, `/broken`, `/short`, `/long`, `/large`; all else is answered with its path."""
    path = environ["PATH_INFO"]
    if path == "/304":
        start_response("304 Not Modified", [])
        return []
    if path == "/broken":
        raise RuntimeError("on purpose")
    body = LARGE if path == "/large" else path.encode()
    claimed = len(body) + {"/short": 5, "/long": -2}.get(path, 0)
    start_response("200 OK", [("Content-Length", str(claimed))])
    return [body[:10], body[10:]] if path == "/pieces-of-a-body" else [body]


@pytest.fixture
def running() -> Iterator[Running]:
    with serving(plain) as running:
        yield running


def ask(path: str, headers: str = "") -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode()


def answer(client: socket.socket) -> tuple[int, bytes]:
    """The next answer's status and body."""
    received = b""
    while b"\r\n\r\n" not in received:
        chunk = client.recv(1)
        if not chunk:
            raise EOFError(received)
        received += chunk
    lines = received.decode().split("\r\n")
    length = next((int(line.split(": ")[1]) for line in lines if line.startswith("Content-Length")), 0)
    body = b""
    while len(body) < length and (chunk := client.recv(min(length - len(body), 1_000_000))):
        body += chunk
    return int(lines[0].split()[1]), body


def test_answers_that_are_taken_at_once_leave_the_loop_asleep(running: Running) -> None:
    with running.connect() as client:
        for path, expected in (("/one", 200), ("/304", 304), ("/pieces-of-a-body", 200)) * 5:
            client.sendall(ask(path))
            assert answer(client) == (expected, b"" if expected == 304 else path.encode())
            # The next one may not come before its thread has left this one: it would have to be read.
            assert eventually(lambda: running.server.task_dispatcher.ordinary.active_count == 0)
    assert running.woken == []


def test_header_and_body_are_one_packet(running: Running) -> None:
    with running.connect() as client:
        for _ in range(20):
            client.sendall(ask("/one"))
            assert client.recv(65536).endswith(b"\r\n\r\n/one")


@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_a_client_that_reads_slowly_gets_all(running: Running, pause: float) -> None:
    with running.connect(buffer=16384) as client:
        for _ in range(2):
            client.sendall(ask("/large"))
            time.sleep(pause)  # while the buffers of both sides fill up
            status, body = answer(client)
            assert (status, hashlib.sha256(body).digest()) == (200, hashlib.sha256(LARGE).digest())


def test_requests_in_one_packet_are_answered_in_order(running: Running) -> None:
    paths = [f"/{number}" for number in range(30)]
    with running.connect() as client:
        client.sendall(b"".join(map(ask, paths)))
        assert [answer(client) for _ in paths] == [(200, path.encode()) for path in paths]
        client.sendall(ask("/after"))
        assert answer(client) == (200, b"/after")


def test_requests_that_come_while_one_runs_are_answered() -> None:
    began, may_end = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        if environ["PATH_INFO"] == "/slow":
            began.set()
            may_end.wait(10)
        return plain(environ, start_response)

    with serving(slow) as running, running.connect() as client:
        client.sendall(ask("/slow"))
        assert began.wait(10)
        for number in range(3):
            client.sendall(ask(f"/{number}"))
            time.sleep(0.1)  # so that the loop reads each by itself, or has stopped to read
        may_end.set()
        assert [answer(client)[1] for _ in range(4)] == [b"/slow", b"/0", b"/1", b"/2"]


def test_each_piece_of_a_stream_leaves_when_it_is_made() -> None:
    got = threading.Event()

    def stream(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterator[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        yield b"one"
        assert got.wait(10)
        yield b"two"

    with serving(stream) as running, running.connect() as client:
        client.sendall(ask("/"))
        received = b""
        while b"one" not in received:
            received += client.recv(65536)
        got.set()
        while not received.endswith(b"0\r\n\r\n"):
            received += client.recv(65536)
    assert received.endswith(b"3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
    assert running.woken == []


@pytest.mark.parametrize("path", ["/large", "/one"])
def test_a_connection_whose_client_has_left_is_closed(running: Running, path: str) -> None:
    client = running.connect(buffer=4096)
    client.sendall(ask(path))
    client.recv(10)
    client.close()
    assert eventually(lambda: not running.server.active_channels)


def test_a_failure_is_answered_and_ends_the_connection(running: Running) -> None:
    with running.connect() as client:
        client.sendall(ask("/broken"))
        assert answer(client)[0] == 500
        assert client.recv(1) == b""


def test_a_body_shorter_than_it_says_ends_the_connection(running: Running) -> None:
    with running.connect() as client:
        client.sendall(ask("/short"))
        assert answer(client) == (200, b"/short")  # and not what would have been the next answer


def test_a_body_longer_than_it_says_is_cut(running: Running) -> None:
    with running.connect() as client:
        client.sendall(ask("/long"))
        assert answer(client) == (200, b"/lo")
        client.sendall(ask("/one"))
        assert answer(client) == (200, b"/one")


def test_a_client_that_asks_first_may_send_its_body(running: Running) -> None:
    with running.connect() as client:
        client.sendall(b"POST /one HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(b"ab")
        assert answer(client) == (200, b"/one")
