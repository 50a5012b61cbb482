"""Clients that each send the next request once they have the answer, light enough not to be what is measured.

One thread and one selector for all of them, a `recv` or two a request: some 50 µs, where a thread a client with
`http.client` takes ten times that. Needs nothing but the standard library.
"""

from __future__ import annotations

import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

REQUEST_SECONDS = 60.0
READ = 1 << 18  # bytes


class LoadError(Exception):
    """A client did not get what it expected; the message is one line that says what it got."""


@dataclass(frozen=True, slots=True)
class Answer:
    seconds: float
    in_time: bool  # before the loop's time was over


@dataclass(slots=True)
class Client:
    """A connection with one request under way."""

    connection: socket.socket
    sent: float = 0.0
    received: bytearray = field(default_factory=bytearray)
    length: int | None = None  # of head and body; None until the head is here, or where the body comes in chunks
    status: int = 0

    def send(self, request: bytes) -> None:
        self.received.clear()
        self.length, self.status = None, 0
        self.sent = time.perf_counter()
        self.connection.sendall(request)

    def receive(self) -> bool:
        """Whether the answer is complete. Raises LoadError where the connection ends before."""
        part = self.connection.recv(READ)
        if not part:
            raise LoadError("the server closed the connection")
        self.received += part
        if not self.status:
            end = self.received.find(b"\r\n\r\n") + 4
            if end < 4:
                return False
            head = bytes(self.received[:end]).lower()
            self.status = int(head[9:12])
            if self.status in (204, 304):
                self.length = end
            elif b"\r\ncontent-length:" in head:
                self.length = end + int(head.partition(b"\r\ncontent-length:")[2].partition(b"\r\n")[0])
        if self.length is None:
            return self.received.endswith(b"\r\n0\r\n\r\n")
        return len(self.received) >= self.length


def closed_loop(
    port: int, request: Callable[[], bytes], clients: int, seconds: float, expected: int = 200
) -> list[Answer]:
    """All answers to requests sent within `seconds`, each the bytes that `request` gives.

    Raises:
        LoadError: an answer has another status than `expected`, or none comes.
    """
    answers: list[Answer] = []
    deadline = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        try:
            for _ in range(clients):
                client = Client(socket.create_connection(("127.0.0.1", port), REQUEST_SECONDS))
                client.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(client.connection, selectors.EVENT_READ, client)
                client.send(request())
            while selector.get_map():
                ready = selector.select(REQUEST_SECONDS)
                if not ready:
                    raise LoadError(f"no answer within {REQUEST_SECONDS:.0f} s")
                for key, _ in ready:
                    client = key.data
                    if not client.receive():
                        continue
                    in_time = time.monotonic() < deadline
                    answers.append(Answer(time.perf_counter() - client.sent, in_time))
                    if client.status != expected:
                        raise LoadError(f"answers {client.status}, not {expected}")
                    if in_time:
                        client.send(request())
                    else:
                        selector.unregister(client.connection)
                        client.connection.close()
        except OSError as failure:
            raise LoadError(str(failure)) from None
        finally:
            for key in list((selector.get_map() or {}).values()):
                key.data.connection.close()
    return answers


def get(port: int, target: str, headers: dict[str, str]) -> bytes:
    """The bytes of a GET, for a connection that is kept."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{lines}\r\n".encode()
