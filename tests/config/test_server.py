"""What waitress does for us, over real HTTP."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator

import pytest

from tests.service import Service


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with Service.start() as service:
        yield service.port


def exchange(port: int, request: bytes) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, read until the server closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        connection.sendall(request)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
    head, _, body = received.partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    return int(status.split()[1]), {name.lower(): value for name, value in (x.split(": ", 1) for x in lines)}, body


@pytest.mark.parametrize(
    ("request_bytes", "status", "code"),
    [
        (
            b"POST /api/orders HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999\r\n\r\n",
            413,
            "request_entity_too_large",
        ),
        (b"GET /api/orders HTTP/1.1\r\nBad Header: x\r\n\r\n", 400, "bad_request"),
    ],
)
def test_what_waitress_refuses_is_a_problem_document(port: int, request_bytes: bytes, status: int, code: str) -> None:
    answered, headers, body = exchange(port, request_bytes)
    document = json.loads(body)
    assert (answered, document["status"], document["code"]) == (status, status, code)
    assert headers["content-type"] == "application/problem+json"
    assert headers["x-request-id"] == document["request_id"]


def test_the_server_names_no_product(port: int) -> None:
    _, headers, _ = exchange(port, b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert "server" not in headers


def test_a_strangers_proxy_headers_are_not_believed(port: int) -> None:
    forged = b"X-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\n"
    request = b"GET /api/schema?format=json HTTP/1.0\r\nHost: evil.example\r\n" + forged + b"\r\n"
    assert exchange(port, request)[0] == 400


def test_an_interrupt_ends_it() -> None:
    with Service.start() as service:
        service.process.send_signal(signal.SIGINT)
        assert service.process.wait(timeout=20) == 0
