"""Bodies: JSON of bounded length and depth, in Unicode, and nothing else."""

from __future__ import annotations

import json
from io import BytesIO
from typing import Any

import pytest
from rest_framework.exceptions import ParseError
from rest_framework.test import APIClient

from api.exceptions import TooLarge
from api.parsers import BoundedJSONParser
from api.serializers import StrictSerializer
from orders.serializers import OrderCreateSerializer
from tests import factories


def parse(body: bytes) -> Any:
    return BoundedJSONParser().parse(BytesIO(body))


def test_a_body_of_the_limit_is_read(settings: Any) -> None:
    settings.API_BODY_LIMIT = 100
    assert parse(b'"' + b"x" * 98 + b'"') == "x" * 98


def test_a_longer_body_is_too_large(settings: Any) -> None:
    settings.API_BODY_LIMIT = 100
    with pytest.raises(TooLarge, match="longer than 100 bytes"):
        parse(b'"' + b"x" * 99 + b'"')


def test_no_more_than_the_limit_is_read_into_memory(settings: Any) -> None:
    settings.API_BODY_LIMIT = 100
    stream = BytesIO(b"x" * 1000)
    with pytest.raises(TooLarge):
        BoundedJSONParser().parse(stream)
    assert stream.tell() == 101


@pytest.mark.parametrize("body", [b"", b"{", b"{'a': 1}", b"NaN", b'{"a": Infinity}', b"\xff", b'"\xed\xa0\x80"'])
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        parse(body)


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_body_nested_without_end_is_refused(opening: bytes) -> None:
    with pytest.raises(ParseError, match="nested too deep"):
        parse(opening * 100_000)


@pytest.mark.parametrize("body", [rb'"\ud83e\uddc1"', rb'"\\ud800"', '"🧁"'.encode()])
def test_whole_characters_are_read_however_they_are_written(body: bytes) -> None:
    assert parse(body) in ("🧁", r"\ud800")


# --- Strict serializers


def errors(data: Any) -> Any:
    serializer: StrictSerializer = OrderCreateSerializer(data=data)
    serializer.is_valid()
    return serializer.errors


LINES = [{"sku": "a", "quantity": 1}]


def test_what_fits_is_taken() -> None:
    assert errors({"office": 1, "lines": LINES}) == {}


def test_an_unknown_key_is_named() -> None:
    assert set(errors({"office": 1, "lines": LINES, "total": "1.00"})) == {"total"}


@pytest.mark.parametrize("office", ["1", True, False, [1], {"id": 1}, 1.5])
def test_a_number_is_a_number(office: Any) -> None:
    assert set(errors({"office": office, "lines": LINES})) == {"office"}


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert errors({"office": 1.0, "lines": LINES}) == {}


@pytest.mark.parametrize("sku", [1, True, 1.5, ["a"], {}])
def test_a_text_is_a_text(sku: Any) -> None:
    assert "sku" in errors({"office": 1, "lines": [{"sku": sku, "quantity": 1}]})["lines"][0]


@pytest.mark.django_db
@pytest.mark.parametrize("active", ["true", "yes", 1, 0, "", [], {}])
def test_a_truth_is_a_truth(client_of: Any, active: Any) -> None:
    member = factories.member(factories.company())
    response = client_of(member).patch(f"/api/addresses/{member.addresses.get().pk}", {"active": active})
    assert response.status_code == 400
    assert [error["name"] for error in response.json()["errors"]] == ["active"]


# --- Over HTTP


def post(body: str, content_type: str) -> Any:
    return APIClient().generic("POST", "/api/auth/login", body, content_type=content_type)


@pytest.mark.parametrize(
    "content_type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json"]
)
def test_another_content_type_is_415(content_type: str) -> None:
    assert post('{"username": "a", "password": "b"}', content_type).status_code == 415


def test_a_body_longer_than_the_limit_is_413(settings: Any) -> None:
    assert post(json.dumps("x" * settings.API_BODY_LIMIT), "application/json").status_code == 413


def test_no_body_is_an_empty_one() -> None:
    response = post("", "application/json")
    assert {error["name"] for error in response.json()["errors"]} == {"username", "password"}
