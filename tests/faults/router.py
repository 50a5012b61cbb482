"""Heroku's router, as much of it as a web process can see, with its times scaled down.

Each request gets a connection of its own to the web process, with the headers that the router adds.
What goes wrong is counted under the router's codes (devcenter.heroku.com/articles/error-codes and
/request-timeout):

H12  no byte of an answer within 30 s of the whole request's being sent; the client gets a 503
H13  the process closed the connection without having written anything
H15  an answer had begun, then no byte came for 55 s
H18  an answer had begun, then the process closed the connection before its end
H21  the process refused the connection
H27  the client left before it had its answer
"""

from __future__ import annotations

import socket
import threading
import time
import uuid
from collections import Counter
from contextlib import closing
from http.client import BadStatusLine, HTTPConnection, HTTPResponse, IncompleteRead
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from select import select
from types import TracebackType
from typing import Self

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade"}


class RouterError(Exception):
    """Something that the router logs; the message is its code."""


class Router:
    """In front of a web process while its `with` block runs; listens on `port`.

    `first_byte` and `idle` are the seconds after which an answer that has not begun is an H12, and one
    that has begun and paused is an H15. `errors` counts codes, `answers` the statuses of whole answers.
    """

    def __init__(self, backend: int, *, first_byte: float = 30.0, idle: float = 55.0) -> None:
        self.backend, self.first_byte, self.idle = backend, first_byte, idle
        self.errors: Counter[str] = Counter()
        self.answers: Counter[int] = Counter()
        self.lock = threading.Lock()

    def __enter__(self) -> Self:
        self.server = Listener(("127.0.0.1", 0), self)
        self.port: int = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, address: tuple[str, int], router: Router) -> None:
        self.router = router
        super().__init__(address, Handler)


class Handler(BaseHTTPRequestHandler):
    """One client's connection, with one request."""

    server: Listener
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        router = self.server.router
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if self.raw_requestline and self.parse_request():
                status = self.forward()
                with router.lock:
                    router.answers[status] += 1
        except RouterError as error:
            with router.lock:
                router.errors[str(error)] += 1
        except OSError:  # the client left
            with router.lock:
                router.errors["H27"] += 1

    def forward(self) -> int:
        """Pass the request on and its answer back; the answer's status. Raises RouterError, OSError for the client."""
        length = int(self.headers.get("Content-Length", 0))
        body = self.rfile.read(length)
        if len(body) < length:
            raise RouterError("H27")
        with closing(HTTPConnection("127.0.0.1", self.server.router.backend, timeout=10)) as backend:
            self.send_on(backend, body)
            response = self.begun(backend)
            self.relay(response)
            return response.status

    def send_on(self, backend: HTTPConnection, body: bytes) -> None:
        try:
            backend.connect()
        except OSError:
            raise self.failed("H21") from None
        headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
        headers |= {
            "Connection": "close",
            "X-Forwarded-For": "192.0.2.1",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Port": "443",
            "X-Request-Id": str(uuid.uuid4()),
            "X-Request-Start": str(int(time.time() * 1000)),
            "Via": "1.1 vegur",
        }
        try:
            backend.request(self.command, self.path, body or None, headers)
        except OSError:
            raise self.failed("H13") from None

    def begun(self, backend: HTTPConnection) -> HTTPResponse:
        """The answer, once its head is there."""
        router = self.server.router
        readable, _, _ = select([self.connection, backend.sock], [], [], router.first_byte)
        if not readable:
            raise self.failed("H12")
        if self.connection in readable:
            raise RouterError("H27")
        backend.sock.settimeout(router.idle)
        try:
            return backend.getresponse()
        except TimeoutError:
            raise self.failed("H15") from None
        except (BadStatusLine, ConnectionError):
            raise self.failed("H13") from None

    def relay(self, response: HTTPResponse) -> None:
        self.send_response_only(response.status, response.reason)
        for name, value in response.getheaders():
            if name.lower() not in HOP_BY_HOP:
                self.send_header(name, value)
        if response.chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.send_header("Connection", "close")
        self.end_headers()
        while part := self.part(response):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part) if response.chunked else part)
        if response.chunked:
            self.wfile.write(b"0\r\n\r\n")

    def part(self, response: HTTPResponse) -> bytes:
        try:
            part = response.read1(1 << 16)
        except TimeoutError:
            raise RouterError("H15") from None
        except (IncompleteRead, ConnectionError):
            raise RouterError("H18") from None
        if not part and response.length:
            raise RouterError("H18")
        return part

    def failed(self, code: str) -> RouterError:
        """The error, after the router's own page was sent for it."""
        self.send_response_only(503)
        self.send_header("Content-Length", "0")
        self.send_header("Connection", "close")
        self.end_headers()
        return RouterError(code)


def hang_up(connection: socket.socket) -> None:
    """Leave as a client does that was killed: whatever is under way is reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")
    connection.close()
