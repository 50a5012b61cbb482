"""Queries of each endpoint: the same for few rows and many."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from businesses.models import Company, Office, User
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def company() -> Company:
    return factories.company()


@pytest.fixture
def office(company: Company) -> Office:
    return factories.office(company)


@pytest.fixture
def owner(company: Company) -> User:
    return factories.member(company)


def orders(office: Office, number: int) -> None:
    """Orders of as many offices and users, with 1 to 5 lines each."""
    for index in range(number):
        at = factories.office(office.company)
        factories.order(at, factories.member(at), lines=1 + index % 5)


def queries(call: Callable[[], Any]) -> int:
    """How many statements `call` runs; opening and closing of transactions are not counted."""
    with CaptureQueriesContext(connection) as captured:
        response = call()
        assert response.status_code in (200, 201), response.content
        if response.streaming:
            b"".join(response)
    control = ("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT", "SET ")
    return sum(not query["sql"].startswith(control) for query in captured)


@pytest.mark.parametrize(
    ("url", "most"),
    [
        ("/api/orders?limit=200", 3),  # scope; orders with company, office, user, address; lines
        ("/api/orders?limit=200&expand=company,office,placed_by,events", 4),  # and events with their actors
        ("/api/orders?limit=200&fields=id,number,office", 2),  # no lines
        ("/api/orders?limit=200&fields=id,number", 2),
        ("/api/orders/summary?group_by=office", 2),
        ("/api/orders/export", 3),
        ("/api/companies?limit=200", 2),
        ("/api/offices?limit=200", 2),
        ("/api/me", 3),
    ],
)
def test_queries_do_not_grow_with_rows(client_of: Any, owner: User, office: Office, url: str, most: int) -> None:
    client = client_of(owner)
    orders(office, 5)
    few = queries(lambda: client.get(url))
    orders(office, 195)
    many = queries(lambda: client.get(url))
    assert few == many <= most


def test_detail(client_of: Any, owner: User, office: Office) -> None:
    client = client_of(owner)
    small, large = factories.order(office, owner, lines=5), factories.order(office, owner, lines=200)
    counts = [queries(partial(client.get, f"/api/orders/{order.pk}")) for order in (small, large)]
    assert counts == [3, 3]


@pytest.mark.parametrize("key", [{}, {"HTTP_IDEMPOTENCY_KEY": "k"}])
def test_create(client_of: Any, owner: User, office: Office, key: dict[str, str]) -> None:
    client = client_of(owner)
    skus = [factories.product().sku for _ in range(200)]
    counts = []
    for number in (5, 200):
        body = {"office": office.pk, "lines": [{"sku": sku, "quantity": number} for sku in skus[:number]]}
        headers = {name: f"{value}{number}" for name, value in key.items()}
        counts.append(queries(partial(client.post, "/api/orders", body, **headers)))
    assert counts[0] == counts[1] <= 12


def test_export_reads_lines_once_for_a_thousand_orders(client_of: Any, owner: User, office: Office) -> None:
    client = client_of(owner)
    from orders.models import Order

    first = factories.order(office, owner, lines=1)
    values = {field.attname: getattr(first, field.attname) for field in Order._meta.concrete_fields}
    for name in ("id", "number", "date"):
        del values[name]
    Order.objects.bulk_create(Order(**values, number=f"n{index}") for index in range(2499))
    assert queries(lambda: client.get("/api/orders/export")) == 2 + 3  # scope, orders, lines for each of three chunks
