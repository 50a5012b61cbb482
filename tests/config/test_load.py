"""The clients of a measurement, against a server that says what each test wants it to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest

from config import load

Serve = Callable[..., int]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(part, part, …)`: the port of a server that sends these parts, one by one, to each request."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer(connection: socket.socket, parts: tuple[bytes, ...]) -> None:
        with connection, suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while connection.recv(4096):
                for part in parts:
                    connection.sendall(part)
                if parts[-1] == b"":
                    return

    def accept(parts: tuple[bytes, ...]) -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listening.accept()[0], parts), daemon=True).start()

    def start(*parts: bytes) -> int:
        threading.Thread(target=accept, args=(parts,), daemon=True).start()
        return int(listening.getsockname()[1])

    yield start
    listening.close()


def run(port: int, clients: int = 2, expected: int = 200) -> list[load.Answer]:
    return load.closed_loop(port, lambda: load.get(port, "/", {}), clients, 0.1, expected)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ([OK], 200),
        ([OK[:20], OK[20:30], OK[30:]], 200),
        ([b"HTTP/1.1 304 Not Modified\r\nETag: x\r\n\r\n"], 304),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n", b"0\r\n\r\n"], 200),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"0\r\n\r\n"], 200),
    ],
    ids=["length", "in pieces", "no body", "chunked", "a body that looks like the last chunk"],
)
def test_every_answer_is_read_to_its_end_and_followed_by_the_next_request(
    serve: Serve, parts: list[bytes], status: int
) -> None:
    answers = run(serve(*parts), expected=status)
    assert len(answers) > 10
    assert [answer.in_time for answer in answers].count(False) <= 2  # what was under way at the end, one a client
    assert all(0 < answer.seconds < 0.2 for answer in answers[:3])


def test_each_client_has_one_request_under_way(serve: Serve) -> None:
    sent: list[int] = []
    port = serve(OK)
    answers = load.closed_loop(port, lambda: sent.append(1) or load.get(port, "/", {}), 3, 0.1)  # type: ignore[func-returns-value]
    assert len(answers) == len(sent)


def test_another_status_is_named(serve: Serve) -> None:
    with pytest.raises(load.LoadError, match=r"^answers 429, not 200$"):
        run(serve(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n"))


def test_a_connection_that_ends_in_an_answer_is_a_problem(serve: Serve) -> None:
    with pytest.raises(load.LoadError, match="closed the connection"):
        run(serve(OK[:-1], b""))


def test_nobody_there_is_a_problem() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(load.LoadError, match="refused"):
        run(port)


def test_no_answer_is_a_problem(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "REQUEST_SECONDS", 0.2)
    with pytest.raises(load.LoadError, match="no answer within"):
        run(serve(OK[:-1]))
