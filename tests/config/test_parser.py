"""What comes in is framed beyond doubt, and costs no more than it says."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from config import parser
from tests.config.processes import plain_server, processor_seconds

Plain = tuple["subprocess.Popen[str]", int]
CHUNKED = "Transfer-Encoding: chunked\r\n"
SMUGGLED = "GET /pid HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def plain() -> Iterator[Plain]:
    with plain_server() as server:
        yield server


def talk(port: int, request: bytes) -> bytes:
    """All that is answered; what the server does not read any more is not sent."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        received = b""
        with contextlib.suppress(OSError):
            client.sendall(request)
        try:
            while part := client.recv(65536):
                received += part
        except ConnectionError:
            pass
    return received


def post(headers: str, body: bytes = b"", version: str = "1.1", path: str = "/text") -> bytes:
    return f"POST {path} HTTP/{version}\r\nHost: x\r\n{headers}\r\n".encode() + body


# --- Framing


@pytest.mark.parametrize(
    ("version", "headers"),
    [
        ("1.0", CHUNKED),
        ("1.0", f"{CHUNKED}Connection: keep-alive\r\n"),
        ("1.0", f"{CHUNKED}Content-Length: 5\r\nConnection: keep-alive\r\n"),
        ("1.0", "transfer-encoding:\tCHUNKED\r\nConnection: keep-alive\r\n"),
        ("1.1", f"{CHUNKED}Content-Length: 5\r\n"),
        ("1.1", f"Content-Length: 5\r\n{CHUNKED}"),
        ("1.1", f"{CHUNKED}{CHUNKED}"),
        ("1.1", "Transfer-Encoding: chunked, chunked\r\n"),
        ("1.1", "Transfer-Encoding: \r\nContent-Length: 5\r\n"),
        ("1.1", "Transfer-Encoding:\r\n chunked\r\n"),
        ("1.2", CHUNKED),
        ("2.0", f"{CHUNKED}Content-Length: 5\r\n"),
    ],
)
def test_a_request_of_two_lengths_is_refused_and_the_connection_closed(
    plain: Plain, version: str, headers: str
) -> None:
    received = talk(plain[1], post(headers, b"0\r\n\r\n" + SMUGGLED.encode(), version))
    assert received.split()[1] == b"400"
    assert received.count(b"HTTP/1.") == 1
    assert b"application/problem+json" in received


@pytest.mark.parametrize("coding", ["gzip", "gzip, chunked", "identity", "chunked, gzip"])
def test_another_coding_is_not_implemented(plain: Plain, coding: str) -> None:
    received = talk(plain[1], post(f"Transfer-Encoding: {coding}\r\n", SMUGGLED.encode()))
    assert received.split()[1] in (b"400", b"501")
    assert received.count(b"HTTP/1.") == 1


@pytest.mark.parametrize("coding", ["chunked", "Chunked", "  chunked  ", "\tchunked"])
def test_a_chunked_body_is_read(plain: Plain, coding: str) -> None:
    body = b"5;name=value\r\nhello\r\n0\r\nTrailer: one\r\n\r\n"
    received = talk(plain[1], post(f"Transfer-Encoding:{coding}\r\n", body + SMUGGLED.encode()))
    assert received.count(b"HTTP/1.1 200") == 2


def test_a_field_that_speaks_of_it_is_none(plain: Plain) -> None:
    headers = "X-Note: Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"
    received = talk(plain[1], post(headers, b"hello" + SMUGGLED.encode()))
    assert received.startswith(b"HTTP/1.1 200")


# --- Sizes


@pytest.mark.parametrize("name", ["If-None-Match", "Cookie", "X-Anything", "Authorization"])
def test_a_field_is_bounded(plain: Plain, name: str) -> None:
    fits = parser.FIELD_MOST - len(name) - 2
    assert talk(plain[1], post(f"{name}: {'x' * fits}\r\n", SMUGGLED.encode())).startswith(b"HTTP/1.1 200")
    assert talk(plain[1], post(f"{name}: {'x' * (fits + 1)}\r\n")).split()[1] == b"431"


@pytest.mark.parametrize("headers", ["", *[f"A: {'x' * 60}\r\n" * 2000], f"{CHUNKED}A: {'x' * 9000}\r\n"])
def test_a_header_is_bounded(plain: Plain, headers: str) -> None:
    path = "/text?" + ("x" * parser.HEADER_MOST if not headers else "")
    assert talk(plain[1], post(headers, path=path)).split()[1] == b"431"


def test_what_follows_the_last_chunk_is_bounded(plain: Plain) -> None:
    received = talk(plain[1], post(CHUNKED, b"0\r\n" + b"A: b\r\n" * 100_000))
    assert received.split()[1] == b"400"


@pytest.mark.parametrize("piece", [b"1\r\nx\r\n", b"1;a=b;c=d;e=f\r\nx\r\n", b"\r\n"])
def test_chunks_that_are_mostly_framing_are_refused(plain: Plain, piece: bytes) -> None:
    received = talk(plain[1], post(CHUNKED, piece * 200_000))
    assert received.split()[1] == b"400"


def test_a_chunk_size_without_end_is_refused(plain: Plain) -> None:
    assert talk(plain[1], post(CHUNKED, b"0" * 100_000)).split()[1] == b"400"


def test_a_body_is_bounded(plain: Plain) -> None:
    assert talk(plain[1], post(f"Content-Length: {parser.BODY_MOST}\r\n")).split()[1] == b"413"
    chunks = (b"%x\r\n" % 60_000 + b"x" * 60_000 + b"\r\n") * 60
    assert talk(plain[1], post(CHUNKED, chunks)).split()[1] == b"413"


def test_endless_trailers_cost_the_others_nothing(plain: Plain) -> None:
    """By processor time: ten connections that send trailers for as long as they may."""
    before = processor_seconds(plain[0].pid)
    began = time.monotonic()
    for _ in range(10):
        talk(plain[1], post(CHUNKED, b"1\r\nx\r\n0\r\n" + b"A: b\r\n" * 300_000))
    used = processor_seconds(plain[0].pid) - before
    print(f"10 endless trailers: {used:.2f} s of processor time in {time.monotonic() - began:.2f} s")
    assert used < 0.5
