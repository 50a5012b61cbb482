"""The emulated router tells a web process's failures apart as Heroku's does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException

import pytest

from tests.faults.router import Router, hang_up
from tests.outages import closed_port
from tests.waiting import eventually

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@contextmanager
def backend(answer: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[bytes]]]:
    """A process that reads one request a connection and then does `answer`; its port and what it read."""
    seen: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                seen.append(connection.recv(65536))
                answer(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1], seen
        listener.shutdown(socket.SHUT_RDWR)


def get(router: Router) -> tuple[int, bytes]:
    client = HTTPConnection("127.0.0.1", router.port, timeout=20)
    client.request("GET", "/")
    response = client.getresponse()
    return response.status, response.read()


def send(*parts: bytes, pause: float = 0) -> Callable[[socket.socket], None]:
    def answer(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)
        time.sleep(pause)

    return answer


@pytest.mark.parametrize("whole", [HEAD + b"0123456789", CHUNKED + b"a\r\n0123456789\r\n0\r\n\r\n"])
def test_an_answer_is_passed_on(whole: bytes) -> None:
    with backend(send(whole)) as (port, seen), Router(port) as router:
        assert get(router) == (200, b"0123456789")
        assert eventually(lambda: router.answers == {200: 1})
        assert not router.errors
    for header in (b"X-Request-Start: 1", b"X-Request-Id: ", b"X-Forwarded-Proto: https", b"Connection: close"):
        assert header in seen[0]


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (send(pause=2), "H12"),
        (send(), "H13"),
    ],
)
def test_an_answer_that_does_not_begin_is_the_routers_503(answer: Callable[[socket.socket], None], code: str) -> None:
    with backend(answer) as (port, _), Router(port, first_byte=0.5) as router:
        assert get(router) == (503, b"")
        assert eventually(lambda: router.errors == {code: 1})
        assert not router.answers


def test_nobody_listens() -> None:
    with Router(closed_port()) as router:
        assert get(router) == (503, b"")
        assert eventually(lambda: router.errors == {"H21": 1})


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (send(HEAD, b"01234", pause=2), "H15"),
        (send(HEAD, b"01234"), "H18"),
        (send(CHUNKED, b"5\r\n01234\r\n", pause=2), "H15"),
        (send(CHUNKED, b"5\r\n01234\r\n"), "H18"),
        (send(CHUNKED, b"a\r\n01234"), "H18"),
    ],
)
def test_an_answer_that_breaks_off_reaches_the_client_as_broken(
    answer: Callable[[socket.socket], None], code: str
) -> None:
    with backend(answer) as (port, _), Router(port, idle=0.5) as router:
        with pytest.raises(HTTPException):
            get(router)
        assert eventually(lambda: router.errors == {code: 1})
        assert not router.answers


def test_a_client_that_leaves() -> None:
    with backend(send(pause=1)) as (port, seen), Router(port) as router:
        client = socket.create_connection(("127.0.0.1", router.port))
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert eventually(lambda: bool(seen))
        hang_up(client)
        assert eventually(lambda: router.errors == {"H27": 1})
