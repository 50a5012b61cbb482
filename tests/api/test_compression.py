"""Who takes gzip gets it, and what it unpacks to is what the others get."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import RequestFactory

from api.compression import RANDOM_MOST, GZipMiddleware

TEXT = b"an order, " * 100


def answered(response: HttpResponseBase, accepted: str = "gzip") -> Any:
    request = RequestFactory().get("/", headers={"Accept-Encoding": accepted} if accepted else {})
    return GZipMiddleware(lambda request: response)(request)


def test_a_body_is_compressed() -> None:
    packed = answered(HttpResponse(TEXT, headers={"ETag": '"tag"', "Content-Length": str(len(TEXT))}))
    assert gzip.decompress(packed.getvalue()) == TEXT
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["Content-Length"] == str(len(packed.getvalue()))
    assert packed.headers["ETag"] == 'W/"tag"'
    assert packed.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize(
    "accepted", ["gzip", "GZIP", "br, gzip", "deflate;q=0.5,gzip;q=0.1", "gzip; q=1.0", "x, gzip;q=0.0001"]
)
def test_who_takes_it_gets_it(accepted: str) -> None:
    assert answered(HttpResponse(TEXT), accepted).headers["Content-Encoding"] == "gzip"


@pytest.mark.parametrize("accepted", ["", "br", "identity", "gzip;q=0", "gzip; q=0.00, br", "gzipped"])
def test_who_does_not_gets_it_as_it_is(accepted: str) -> None:
    response = answered(HttpResponse(TEXT), accepted)
    assert response.getvalue() == TEXT
    assert "Content-Encoding" not in response.headers
    assert response.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("body", [b"", b"short", os.urandom(1000)])
def test_what_would_not_become_shorter_stays(body: bytes) -> None:
    response = answered(HttpResponse(body, headers={"ETag": '"tag"'}))
    assert response.getvalue() == body
    assert ("Content-Encoding" in response.headers, response.headers["ETag"]) == (False, '"tag"')


def test_what_is_compressed_already_stays() -> None:
    response = answered(HttpResponse(TEXT, headers={"Content-Encoding": "br"}))
    assert response.getvalue() == TEXT


def test_a_stream_is_compressed_piece_by_piece() -> None:
    made = []

    def pieces() -> Iterator[bytes]:
        for number in range(40):
            made.append(number)
            yield os.urandom(20_000).hex().encode()

    plain = list(pieces())
    response = answered(StreamingHttpResponse(iter(plain), headers={"ETag": '"tag"'}))
    assert gzip.decompress(b"".join(response)) == b"".join(plain)
    assert (response.headers["Content-Encoding"], response.headers["ETag"]) == ("gzip", 'W/"tag"')
    made.clear()
    body = iter(answered(StreamingHttpResponse(pieces())))
    sent = 0
    while sent < 100_000:
        sent += len(next(body))
    assert len(made) < 20


def test_a_stream_that_is_left_is_closed() -> None:
    closed = []

    def pieces() -> Iterator[bytes]:
        try:
            while True:
                yield os.urandom(100_000)
        finally:
            closed.append(True)

    response = answered(StreamingHttpResponse(pieces()))
    body = iter(response)
    assert (next(body)[:2], closed) == (b"\x1f\x8b", [])
    next(body)
    response.close()
    assert closed == [True]


def test_lengths_tell_less_than_they_could() -> None:
    lengths = {len(answered(HttpResponse(TEXT)).getvalue()) for _ in range(200)}
    assert len(lengths) > RANDOM_MOST / 4
    assert max(lengths) - min(lengths) <= RANDOM_MOST
