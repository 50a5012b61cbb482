"""Whatever a body of 1 MB holds, its answer stays small and takes little more than reading the body."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from api.serializers import MOST_ERRORS
from businesses.models import Office, Role
from orders.models import Order
from tests import factories
from tests.orders.expecting import problem

pytestmark = pytest.mark.django_db

MOST_BYTES = 64_000
MOST_TIMES = 5  # what reading the body and a small refusal take; measured: 2.5 at most
LINES = 200

ENDPOINTS = [
    "POST /api/orders office",
    "PATCH /api/orders/{order} version",
    "POST /api/orders/{order}/transitions version",
    "POST /api/addresses street",
    "POST /api/auth/login username",
]


def keys(number: int, name: str = "key") -> str:
    """The members of an object with so many unknown keys."""
    return ",".join(f'"{name}{at}":1' for at in range(number))


def lines(line: str) -> str:
    return f'{{"about":1,"lines":[{",".join([line] * LINES)}]}}'


SHAPES: dict[str, Callable[[], str]] = {
    "unknown keys": lambda: f"{{{keys(75_000)}}}",
    "unknown keys in each line": lambda: lines(f"{{{keys(440)}}}"),
    "an unknown key in each line": lambda: lines(f'{{"sku":"A","quantity":1,"{"k" * 4900}":1}}'),
    "long names in each line": lambda: lines("{" + ",".join(f'"{"k" * 480}{at}":1' for at in range(10)) + "}"),
    "control characters for names": lambda: f"{{{keys(1000, (chr(92) + 'u0001') * 150)}}}",
    "halves of characters for names": lambda: f"{{{keys(1000, (chr(92) + 'ud800') * 150)}}}",
    "wide names": lambda: f"{{{keys(800, '漢' * 400)}}}",
    "one name of 1 MB": lambda: f'{{"{"k" * 999_000}":1}}',
    "one key again and again": lambda: "{" + ",".join(['"key":1'] * 120_000) + "}",
    "a known key again and again": lambda: "{" + ",".join(['"lines":[]'] * 90_000) + "}",
    "a wrong type in each line": lambda: lines(f'{{"sku":1,"quantity":"{"1" * 4900}"}}'),
    "a text for each line": lambda: lines(f'"{"x" * 4900}"'),
    "a list for each line": lambda: lines("[" + ",".join("1" * 2400) + "]"),
    "a long text in each line": lambda: lines(f'{{"sku":"{"x" * 4900}","quantity":1}}'),
    "a blank text in each line": lambda: lines(f'{{"sku":"{" " * 4900}","quantity":1}}'),
    "a long number in each line": lambda: lines(f'{{"sku":"A","quantity":{"9" * 4000}}}'),
    "a long fraction in each line": lambda: lines(f'{{"sku":"A","quantity":{"9" * 300}.{"9" * 4500}}}'),
    "one text of 1 MB": lambda: f'{{"about":1,"to":"{"x" * 990_000}"}}',
    "a text of 1 MB where it fits": lambda: f'{{"about":"{"x" * 990_000}"}}',
    "one list of 1 MB": lambda: f'{{"about":1,"to":[{",".join("1" * 490_000)}]}}',
    "one number of 1 MB": lambda: f'{{"about":{"9" * 990_000}}}',
    "one fraction of 1 MB": lambda: f'{{"about":0.{"9" * 990_000}}}',
    "more lines than an order has": lambda: '{"about":1,"lines":[' + ",".join(["{}"] * 330_000) + "]}",
    "lists in lists": lambda: '{"about":1,"to":' + "[" * 900 + "]" * 900 + ',"lines":' + "[" * 900 + "]" * 900 + "}",
    "no object": lambda: "[" + ",".join("1" * 490_000) + "]",
    "no JSON": lambda: '{"key' * 199_000,
}


def cost(call: Callable[[], Any]) -> float:
    """Seconds of this process' processor time, the least of three: others' work is not counted."""
    taken = []
    for _ in range(3):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return min(taken)


def read(body: str) -> None:
    with contextlib.suppress(ValueError, RecursionError):
        json.loads(body)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_its_answer_is_small_and_cheap(as_owner: APIClient, order: Order, endpoint: str, shape: str) -> None:
    method, path, about = endpoint.split()
    body = SHAPES[shape]().replace('"about"', f'"{about}"', 1)
    assert len(body.encode()) <= settings.API_BODY_LIMIT

    def ask(body: str, **headers: str) -> Any:
        whole = path.format(order=order.pk)
        return as_owner.generic(method, whole, body, content_type="application/json", headers=headers)

    for accept in ("application/json", "text/html"):
        answer = ask(body, accept=accept)
        assert 400 <= answer.status_code < 500
        assert len(answer.content) < MOST_BYTES
    reading, refusing, taken = cost(lambda: read(body)), cost(lambda: ask("{")), cost(lambda: ask(body))
    print(f"{taken * 1000:.0f} ms, of which reading takes {reading * 1000:.0f}, an answer {refusing * 1000:.0f}")
    assert taken < MOST_TIMES * (reading + refusing)


# --- What is said of many errors


def test_of_many_errors_some_are_listed_and_it_says_so(as_owner: APIClient, office: Office) -> None:
    content = {"office": office.pk, "lines": [{"sku": "A"}] * LINES}
    document = problem(as_owner.post("/api/orders", content), 400, "lines.0.quantity")
    assert len(document["errors"]) == MOST_ERRORS
    assert f"more errors than the {MOST_ERRORS}" in document["detail"]


def test_as_many_as_are_listed_are_all(as_owner: APIClient) -> None:
    document = problem(as_owner.post("/api/orders", {f"key{at}": 1 for at in range(MOST_ERRORS)}), 400, "key0")
    assert len(document["errors"]) == MOST_ERRORS
    assert "more errors" not in document["detail"]


def test_a_name_is_cut(as_owner: APIClient) -> None:
    problem(as_owner.post("/api/orders", {"x" * 101: 1}), 400, "x" * 100 + "…")


def test_unknown_skus_are_bounded_too(as_owner: APIClient, office: Office) -> None:
    content = {"office": office.pk, "lines": [{"sku": f"none {at}", "quantity": 1} for at in range(LINES)]}
    document = problem(as_owner.post("/api/orders", content), 400, "lines.0.sku")
    assert len(document["errors"]) == MOST_ERRORS


def test_a_text_that_is_too_long_says_so(as_owner: APIClient, office: Office) -> None:
    content = {"office": office.pk, "lines": [{"sku": "x" * 41, "quantity": 1}]}
    document = problem(as_owner.post("/api/orders", content), 400, "lines.0.sku")
    assert [error["code"] for error in document["errors"]] == ["max_length"]


# --- Who may not is told so first


@pytest.mark.parametrize("role", [Role.VIEWER, None])
def test_who_may_order_nowhere_is_told_before_a_body_is_read(client_of: Any, office: Office, role: Role | None) -> None:
    person = factories.member(office, role) if role else factories.user()
    for body in ("{", SHAPES["unknown keys in each line"]()):
        problem(client_of(person).post("/api/orders", body, content_type="application/json"), 403)


@pytest.mark.parametrize("step", ["", "/transitions"])
def test_who_may_not_change_an_order_is_told_before_a_body_is_read(
    client_of: Any, office: Office, order: Order, step: str
) -> None:
    ask = client_of(factories.member(office, Role.BUYER))  # somebody else's order
    answer = getattr(ask, "post" if step else "patch")
    problem(answer(f"/api/orders/{order.pk}{step}", "{", content_type="application/json"), 403)
