"""GET /api/products: the catalogue."""

from __future__ import annotations

from decimal import Decimal

import pytest
from rest_framework.test import APIClient

from tests import factories
from tests.orders.expecting import ids, problem, results

pytestmark = pytest.mark.django_db


def test_a_product_in_full(as_owner: APIClient) -> None:
    product = factories.product(sku="B-1", name="Bolt", unit_price=Decimal("0.1"))
    shown = {"id": product.pk, "sku": "B-1", "name": "Bolt", "unit_price": "0.10", "currency": "EUR", "active": True}
    assert results(as_owner.get("/api/products")) == [shown]
    assert as_owner.get(f"/api/products/{product.pk}").json() == shown


@pytest.mark.parametrize(("query", "expected"), [("", "ABC"), ("?ordering=sku", "ABC"), ("?ordering=-sku", "CBA")])
def test_they_come_by_sku(as_owner: APIClient, query: str, expected: str) -> None:
    for sku in "BAC":
        factories.product(sku=sku)
    assert "".join(row["sku"] for row in results(as_owner.get(f"/api/products{query}"))) == expected


@pytest.mark.parametrize(
    ("query", "active"), [("", {True, False}), ("?active=true", {True}), ("?active=false", {False})]
)
def test_active_or_not(as_owner: APIClient, query: str, active: set[bool]) -> None:
    factories.product()
    factories.product(active=False)
    assert {row["active"] for row in results(as_owner.get(f"/api/products{query}"))} == active


@pytest.mark.parametrize("value", ["yes", "2", "none", "%20"])
def test_active_is_true_or_false(as_owner: APIClient, value: str) -> None:
    problem(as_owner.get(f"/api/products?active={value}"), 400, "active")


@pytest.mark.parametrize(("prefix", "found"), [("A", ["A%1", "A-1"]), ("A%", ["A%1"]), ("_", []), ("a", []), (" ", [])])
def test_search_is_a_literal_prefix_of_the_sku(as_owner: APIClient, prefix: str, found: list[str]) -> None:
    for sku in ("A%1", "A-1", "B-1"):
        factories.product(sku=sku)
    assert sorted(row["sku"] for row in results(as_owner.get("/api/products", {"search": prefix}))) == found


def test_they_come_in_pages(as_owner: APIClient) -> None:
    everything = [factories.product().pk for _ in range(5)]
    page = as_owner.get("/api/products?limit=3")
    assert ids(page) + ids(as_owner.get(page.json()["next"])) == everything


def test_fields(as_owner: APIClient) -> None:
    product = factories.product()
    assert as_owner.get(f"/api/products/{product.pk}?fields=sku").json() == {"sku": product.sku}


def test_an_unknown_product(as_owner: APIClient) -> None:
    problem(as_owner.get("/api/products/999999999"), 404)
