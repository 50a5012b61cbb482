"""What stays open after an answer, byte by byte over real sockets."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from businesses.models import Office, User
from tests import factories
from tests.config.processes import plain_server, processor_seconds
from tests.service import Service

CLOSE = "Connection: close\r\n"
LAST = f"GET /text HTTP/1.1\r\nHost: x\r\n{CLOSE}\r\n"  # answered only where the connection is still open


@pytest.fixture(scope="module")
def plain() -> Iterator[tuple[subprocess.Popen[str], int]]:
    with plain_server() as server:
        yield server


def talk(port: int, *requests: str) -> bytes:
    """Send requests over one connection, read until the server closes it."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall("".join(requests).encode())
        received = b""
        while chunk := client.recv(65536):
            received += chunk
    return received


def request(method: str, path: str, version: str = "1.1", headers: str = "") -> str:
    return f"{method} {path} HTTP/{version}\r\nHost: x\r\n{headers}\r\n"


@pytest.mark.parametrize("path", ["/304", "/204"])
def test_an_answer_without_a_body_keeps_the_connection(plain: tuple[object, int], path: str) -> None:
    first, _, rest = talk(plain[1], request("GET", path), LAST).partition(b"\r\n\r\n")
    assert first.startswith(f"HTTP/1.1 {path[1:]}".encode())
    assert b"Connection" not in first
    assert b"Transfer-Encoding" not in first
    assert rest.startswith(b"HTTP/1.1 200 OK")


def test_a_stream_is_chunked_and_keeps_the_connection(plain: tuple[object, int]) -> None:
    first, _, rest = talk(plain[1], request("GET", "/stream"), LAST).partition(b"\r\n\r\n")
    assert b"Transfer-Encoding: chunked" in first
    assert b"Connection" not in first
    assert rest.startswith(b"4\r\none \r\n4\r\ntwo \r\n5\r\nthree\r\n0\r\n\r\nHTTP/1.1 200 OK")


@pytest.mark.parametrize("path", ["/text", "/stream", "/304"])
def test_an_answer_to_head_has_no_body(plain: tuple[object, int], path: str) -> None:
    _, _, rest = talk(plain[1], request("HEAD", path), LAST).partition(b"\r\n\r\n")
    assert rest.startswith(b"HTTP/1.1 200 OK")
    assert rest.endswith(b"\r\n\r\nhello")


def test_an_answer_to_head_says_how_long_the_body_would_be(plain: tuple[object, int]) -> None:
    first = talk(plain[1], request("HEAD", "/text", headers=CLOSE))
    assert b"Content-Length: 5\r\n" in first


@pytest.mark.parametrize("path", ["/304", "/stream", "/text"])
def test_a_client_that_wants_to_leave_is_let_go(plain: tuple[object, int], path: str) -> None:
    answers = talk(plain[1], request("GET", path, headers=CLOSE), LAST)
    assert answers.count(b"HTTP/1.1 ") == 1
    assert b"Connection: close\r\n" in answers


def test_a_stream_to_http_1_0_ends_with_the_connection(plain: tuple[object, int]) -> None:
    answers = talk(plain[1], request("GET", "/stream", "1.0", "Connection: keep-alive\r\n"), LAST)
    assert answers.endswith(b"\r\n\r\none two three")


def test_a_stream_that_breaks_is_not_passed_off_as_whole(plain: tuple[object, int]) -> None:
    answers = talk(plain[1], request("GET", "/breaking"), LAST)
    assert answers.endswith(b"4\r\nhalf\r\n")


def test_the_first_chunk_leaves_at_once_and_a_pause_burns_no_processor(
    plain: tuple[subprocess.Popen[str], int],
) -> None:
    process, port = plain
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request("GET", "/pausing").encode())
        received = b""
        while b"first" not in received:
            received += client.recv(65536)  # times out where the chunk waits for the next one
        before = processor_seconds(process.pid)
        time.sleep(2)
        assert processor_seconds(process.pid) - before < 0.2  # a loop that spins takes all of it
        assert process.stdin
        process.stdin.write(".")
        process.stdin.flush()
        while not received.endswith(b"0\r\n\r\n"):
            received += client.recv(65536)
    assert received.endswith(b"5\r\nfirst\r\n4\r\nlast\r\n0\r\n\r\n")


def test_the_service_answers_one_client_over_one_connection(
    database_url: str, office: Office, owner: User, token: str
) -> None:
    factories.order(office, owner)
    with Service.start(DATABASE_URL=database_url) as service:
        client = HTTPConnection("127.0.0.1", service.port, timeout=20)
        client.connect()
        client.auto_open = 0  # a closed connection is an error, not opened again in silence
        tag = ""
        for method, path, status, has_body in (
            ("GET", "/api/orders", 200, True),
            ("GET", "/api/orders", 304, False),
            ("HEAD", "/api/orders", 200, False),
            ("GET", "/api/orders/export", 200, True),
            ("POST", "/api/auth/logout", 204, False),
            ("GET", "/api/orders", 401, True),
        ):
            known = {"If-None-Match": tag} if status == 304 else {}
            client.request(method, path, headers={"Authorization": f"Token {token}", **known})
            response = client.getresponse()
            assert (response.status, bool(response.read())) == (status, has_body)
            tag = response.headers.get("ETag", "")
