"""Bodies and headers that are wrong: a problem document that names what, and nothing written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from businesses.models import Office, User
from orders.models import Order, Product
from tests.orders.expecting import BEYOND_64_BITS, problem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_is_written")]

DEEP = "[" * 100_000 + "]" * 100_000
MISSING = object()


# --- What is placed


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("office", MISSING, "office"),
        ("office", None, "office"),
        ("office", 0, "office"),
        ("office", -1, "office"),
        ("office", True, "office"),
        ("office", 1.5, "office"),
        ("office", "one", "office"),
        ("office", "1_0", "office"),
        ("office", "", "office"),
        ("office", [1], "office"),
        ("office", {"id": 1}, "office"),
        ("office", 999_999_999, "office"),
        ("office", BEYOND_64_BITS, "office"),
        ("office", 10**400, "office"),
        ("office", "9" * 5000, "office"),
        ("address", None, "address"),
        ("address", 0, "address"),
        ("address", "home", "address"),
        ("address", True, "address"),
        ("address", 999_999_999, "address"),
        ("address", BEYOND_64_BITS, "address"),
        ("lines", MISSING, "lines"),
        ("lines", None, "lines"),
        ("lines", [], "lines"),
        ("lines", {}, "lines"),
        ("lines", {"0": {"sku": "A", "quantity": 1}}, "lines"),
        ("lines", "SKU-1", "lines"),
        ("lines", 1, "lines"),
        ("lines", ["SKU-1"], "lines.0"),
        ("lines", [None], "lines.0"),
        ("lines", [[]], "lines.0"),
        ("lines", [{}], "lines.0.sku"),
        ("lines", [{"sku": "A", "quantity": 1}] * 201, "lines"),
        ("currency", "EUR", "currency"),
        ("total", "0.01", "total"),
        ("status", "approved", "status"),
        ("placed_by", 1, "placed_by"),
        ("number", "2026-1", "number"),
        ("x" * 100, 1, "x" * 100),
        ("\x00", 1, "\x00"),
    ],
)
def test_a_bad_field_of_an_order_is_named(
    as_owner: APIClient, office: Office, product: Product, field: str, value: Any, name: str
) -> None:
    content: dict[str, Any] = {"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}]}
    content[field] = value
    if value is MISSING:
        del content[field]
    problem(as_owner.post("/api/orders", content), 400, name)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("quantity", MISSING),
        ("quantity", None),
        ("quantity", 0),
        ("quantity", -1),
        ("quantity", 10**9),
        ("quantity", 10**400),
        ("quantity", BEYOND_64_BITS),
        ("quantity", True),
        ("quantity", False),
        ("quantity", 1.5),
        ("quantity", 1e300),
        ("quantity", "1e3"),
        ("quantity", "1.5"),
        ("quantity", "many"),
        ("quantity", "3"),
        ("quantity", "1_000"),
        ("quantity", "٣"),
        ("quantity", ""),
        ("quantity", [1]),
        ("quantity", {}),
        ("sku", MISSING),
        ("sku", None),
        ("sku", ""),
        ("sku", " "),
        ("sku", "no-such-sku"),
        ("sku", "x" * 41),
        ("sku", "x" * 100_000),
        ("sku", "SKU\x00"),
        ("sku", "\ud800"),
        ("sku", True),
        ("sku", 7),
        ("sku", ["A"]),
        ("sku", {"sku": "A"}),
        ("unit_price", "0.01"),
        ("total", 1),
        ("name", "Cheap"),
        ("position", 1),
    ],
)
def test_a_bad_field_of_a_line_is_named(
    as_owner: APIClient, office: Office, product: Product, field: str, value: Any
) -> None:
    line: dict[str, Any] = {"sku": product.sku, "quantity": 1, field: value}
    if value is MISSING:
        del line[field]
    body = json.dumps({"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}, line]})
    response = as_owner.post("/api/orders", body, content_type="application/json")
    problem(response, 400, f"lines.1.{field}")


@pytest.mark.parametrize("line", [{}, 1, {"a": 1}])
def test_too_many_lines_are_not_looked_at_one_by_one(as_owner: APIClient, office: Office, line: Any) -> None:
    response = as_owner.post("/api/orders", {"office": office.pk, "lines": [line] * 20_000})
    assert [error["name"] for error in problem(response, 400)["errors"]] == ["lines"]


def test_of_many_unknown_keys_some_are_named(as_owner: APIClient) -> None:
    response = as_owner.post("/api/orders", {f"key{number}": 1 for number in range(5000)})
    assert 1 < len(problem(response, 400, "key0")["errors"]) <= 100


def test_every_unknown_sku_is_named(as_owner: APIClient, office: Office, product: Product) -> None:
    lines = [{"sku": sku, "quantity": 1} for sku in ("none", product.sku, "nor this")]
    document = problem(
        as_owner.post("/api/orders", {"office": office.pk, "lines": lines}), 400, "lines.0.sku", "lines.2.sku"
    )
    assert "nor this" in document["detail"]


def test_another_companys_office_is_not_there(as_owner: APIClient, elsewhere: Office, product: Product) -> None:
    content = {"office": elsewhere.pk, "lines": [{"sku": product.sku, "quantity": 1}]}
    theirs = problem(as_owner.post("/api/orders", content), 400, "office")
    nobodys = problem(as_owner.post("/api/orders", {**content, "office": 10**9}), 400, "office")
    assert theirs["errors"] == nobodys["errors"]


def test_another_users_address_is_not_there(
    as_owner: APIClient, office: Office, order: Order, product: Product, colleague: User
) -> None:
    theirs = colleague.addresses.get().pk
    content = {"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}], "address": theirs}
    problem(as_owner.post("/api/orders", content), 400, "address")
    problem(as_owner.patch(f"/api/orders/{order.pk}", {"version": order.revision, "address": theirs}), 400, "address")


# --- Changes and steps


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"lines": []}, "lines"),
        ({"lines": None}, "lines"),
        ({"lines": [{"sku": "none", "quantity": 1}]}, "lines.0.sku"),
        ({"lines": [{"sku": "none", "quantity": 10**9}]}, "lines.0.quantity"),
        ({"address": None}, "address"),
        ({"address": BEYOND_64_BITS}, "address"),
        ({"address": 1, "version": None}, "version"),
        ({"address": 1, "version": True}, "version"),
        ({"address": 1, "version": 1.5}, "version"),
        ({"address": 1, "version": "new"}, "version"),
        ({"address": 1, "version": " 1"}, "version"),
        ({"address": 1, "version": -1}, "version"),
        ({"address": 1, "version": BEYOND_64_BITS}, "version"),
        ({"address": 1, "version": 10**400}, "version"),
        ({"status": "approved"}, "status"),
    ],
)
def test_a_bad_change_is_named(as_owner: APIClient, order: Order, content: dict[str, Any], name: str) -> None:
    problem(as_owner.patch(f"/api/orders/{order.pk}", {"version": order.revision, **content}), 400, name)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({}, "to"),
        ({"to": None}, "to"),
        ({"to": "shipped"}, "to"),
        ({"to": ""}, "to"),
        ({"to": True}, "to"),
        ({"to": 1}, "to"),
        ({"to": ["approved"]}, "to"),
        ({"to": {}}, "to"),
        ({"to": "APPROVED"}, "to"),
        ({"to": "\x00"}, "to"),
        ({"to": "\ud800"}, "to"),
        ({"to": "x" * 100_000}, "to"),
        ({"to": "approved", "version": "x"}, "version"),
        ({"to": "approved", "version": BEYOND_64_BITS}, "version"),
        ({"to": "approved", "reason": "because"}, "reason"),
        ({"to": "approved", "\ud800": 1}, "\\ud800"),
    ],
)
def test_a_bad_step_is_named(as_owner: APIClient, order: Order, content: dict[str, Any], name: str) -> None:
    body = json.dumps({"version": order.revision, **content})
    response = as_owner.post(f"/api/orders/{order.pk}/transitions", body, content_type="application/json")
    problem(response, 400, name)


@pytest.mark.parametrize("method", ["patch", "post"])
def test_a_change_without_its_version_is_refused(as_owner: APIClient, order: Order, method: str) -> None:
    path = f"/api/orders/{order.pk}" + ("/transitions" if method == "post" else "")
    problem(getattr(as_owner, method)(path, {}), 400, "version")


# --- Bodies as such


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{'office': 1}",
        b'{"office": NaN}',
        b'{"office": Infinity}',
        b'{"office": 1,}',
        b"office=1",
        b"\x00",
        b'{"office": "\xff"}',
        b"\xff\xfe{\x00}\x00",
        b'{"office": ' + b"9" * 5000 + b"}",
        DEEP.encode(),
        b'{"office": ' + DEEP.encode() + b"}",
    ],
)
@pytest.mark.parametrize("path", ["/api/orders", "/api/orders/{order}/transitions"])
def test_a_body_that_is_no_json_is_refused(as_owner: Any, order: Order, path: str, body: bytes) -> None:
    response = as_owner.generic("POST", path.format(order=order.pk), body, "application/json")
    assert "JSON" in problem(response, 400)["detail"]


@pytest.mark.parametrize("depth", [5, 20, 100, 500, *range(800, 1000, 10)])
def test_any_depth_is_refused(as_owner: APIClient, office: Office, depth: int) -> None:
    nest = "[" * depth + "]" * depth
    body = f'{{"office": {office.pk}, "lines": [{{"sku": "A", "quantity": {nest}}}]}}'
    problem(as_owner.post("/api/orders", body, content_type="application/json"), 400)


@pytest.mark.parametrize("body", [b"[]", b"[1]", b"null", b"1", b'"text"', b"true"])
@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PATCH", "/{order}"), ("POST", "/{order}/transitions")])
def test_a_body_that_is_no_object_is_refused(as_owner: Any, order: Order, method: str, path: str, body: bytes) -> None:
    response = as_owner.generic(method, f"/api/orders{path.format(order=order.pk)}", body, "application/json")
    document = problem(response, 400)
    assert document["errors"] == []
    assert "non_field_errors" not in document["detail"]


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "json",
        "",
    ],
)
@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PATCH", "/{order}"), ("POST", "/{order}/transitions")])
def test_another_content_type_is_refused(
    as_owner: Any, order: Order, method: str, path: str, content_type: str
) -> None:
    response = as_owner.generic(method, f"/api/orders{path.format(order=order.pk)}", b'{"version": 1}', content_type)
    document = problem(response, 415)
    assert content_type.split(";")[0] in document["detail"]


@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("PATCH", "/{order}"), ("POST", "/{order}/transitions")])
def test_a_body_over_the_limit_is_refused(as_owner: Any, order: Order, method: str, path: str) -> None:
    body = b'{"x": "' + b"x" * settings.API_BODY_LIMIT + b'"}'
    response = as_owner.generic(method, f"/api/orders{path.format(order=order.pk)}", body, "application/json")
    assert str(settings.API_BODY_LIMIT) in problem(response, 413)["detail"]


# --- Headers


@pytest.mark.parametrize("key", ["", " ", "two words", "tab\t", "k" * 256, "clé", "\x00", "\x7f", "line\nfeed", "☃"])
def test_a_bad_idempotency_key_is_named(as_owner: APIClient, office: Office, product: Product, key: str) -> None:
    content = {"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}]}
    response = as_owner.post("/api/orders", content, headers={"Idempotency-Key": key})
    problem(response, 400, "Idempotency-Key")


@pytest.mark.parametrize("header", ["Token", "Token ", "Token a b", "Token é", "Token \x00", "Token " + "a" * 10_000])
def test_a_bad_token_is_refused(header: str) -> None:
    problem(APIClient().get("/api/orders", headers={"Authorization": header}), 401)


def test_a_viewer_who_is_refused_wrote_nothing(
    client_of: Any, office: Office, order: Order, product: Product, colleague: User
) -> None:
    client, lines = client_of(colleague), [{"sku": product.sku, "quantity": 1}]
    step = {"version": order.revision, "to": "approved"}
    problem(client.post("/api/orders", {"office": office.pk, "lines": lines}), 403)
    problem(client.patch(f"/api/orders/{order.pk}", {"version": order.revision, "lines": lines}), 403)
    problem(client.post(f"/api/orders/{order.pk}/transitions", step), 403)
