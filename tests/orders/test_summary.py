"""GET /api/orders/summary: counts and totals for each group and currency."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from businesses.models import Company, Office, Role, User
from orders.states import Status
from tests import factories
from tests.orders.expecting import problem, results

pytestmark = pytest.mark.django_db


def summary(client: APIClient, group_by: str, **query: Any) -> list[dict[str, Any]]:
    return results(client.get("/api/orders/summary", {"group_by": group_by, **query}))


def test_by_office(as_owner: APIClient, company: Company, owner: User) -> None:
    one, two = factories.office(company, name="A", city="Kiel"), factories.office(company, name="B", city="Bonn")
    for office, total in ((one, "1.10"), (two, "2.20"), (one, "3.30")):
        factories.order(office, owner, total=Decimal(total))
    assert summary(as_owner, "office") == [
        {"office": {"id": one.pk, "name": "A", "city": "Kiel"}, "currency": "EUR", "orders": 2, "total": "4.40"},
        {"office": {"id": two.pk, "name": "B", "city": "Bonn"}, "currency": "EUR", "orders": 1, "total": "2.20"},
    ]


def test_by_company(client_of: Any, office: Office, owner: User) -> None:
    other = factories.office()
    owner.memberships.create(company=other.company, role=Role.VIEWER)
    for each in (office, other, other):
        factories.order(each, owner)
    assert summary(client_of(owner), "company") == [
        {
            "company": {"id": each.company_id, "name": each.company.name},
            "currency": "EUR",
            "orders": orders,
            "total": f"{orders * 10}.00",
        }
        for each, orders in ((office, 1), (other, 2))
    ]


def test_by_status(as_owner: APIClient, office: Office, owner: User) -> None:
    for status in (Status.PLACED, Status.PLACED, Status.CANCELLED):
        factories.order(office, owner, status=status)
    rows = {row["status"]: row["orders"] for row in summary(as_owner, "status")}
    assert rows == {"placed": 2, "cancelled": 1}


def test_by_month(as_owner: APIClient, office: Office, owner: User) -> None:
    for moment in (
        datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 2, 1, tzinfo=UTC),
        datetime(2025, 2, 28, tzinfo=UTC),
    ):
        factories.order(office, owner, placed_at=moment)
    rows = [(row["month"], row["orders"]) for row in summary(as_owner, "month")]
    assert rows == [("2025-02", 1), ("2026-01", 1), ("2026-02", 1)]


@pytest.mark.parametrize("group_by", ["office", "company", "status", "month"])
def test_currencies_are_never_added_up(as_owner: APIClient, office: Office, owner: User, group_by: str) -> None:
    for currency in ("EUR", "DKK", "EUR"):
        factories.order(office, owner, currency=currency, placed_at=factories.START)
    rows = [(row["currency"], row["orders"], row["total"]) for row in summary(as_owner, group_by)]
    assert rows == [("DKK", 1, "10.00"), ("EUR", 2, "20.00")]


def test_orders_with_many_lines_count_once(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.order(office, owner, lines=7)
    row = summary(as_owner, "office")[0]
    assert (row["orders"], row["total"]) == (1, "35.00")


def test_totals_may_outgrow_an_orders(as_owner: APIClient, office: Office, owner: User) -> None:
    first = factories.order(office, owner, total=Decimal("999999999999999999.99"))
    factories.copies(first, 99)
    assert summary(as_owner, "office")[0]["total"] == "99999999999999999999.00"


def test_it_takes_the_filters_of_the_list(as_owner: APIClient, office: Office, owner: User) -> None:
    wanted = factories.order(office, owner, status=Status.APPROVED, number="W-1", placed_at=factories.START)
    factories.order(office, owner, status=Status.APPROVED)
    query = {
        "status": ["approved", "cancelled"],
        "company": wanted.company_id,
        "office": office.pk,
        "placed_by": owner.pk,
        "date_before": "2026-01-01",
        "placed_before": "2026-01-01T12:00:00Z",
        "search": "W-",
        "since_version": wanted.revision - 1,
    }
    assert [row["orders"] for row in summary(as_owner, "status", **query)] == [1]


def test_nothing_matches(as_owner: APIClient) -> None:
    body = as_owner.get("/api/orders/summary?group_by=office").json()
    assert body == {"group_by": "office", "results": []}


@pytest.mark.parametrize("query", ["", "?group_by=city", "?group_by="])
def test_group_by_is_one_of_four(as_owner: APIClient, query: str) -> None:
    document = problem(as_owner.get(f"/api/orders/summary{query}"), 400, "group_by")
    if query != "?group_by=":
        assert "office, company, status, month" in document["detail"]


@pytest.mark.parametrize("parameter", ["limit=5", "cursor=x", "ordering=placed_at", "fields=orders", "expand=office"])
def test_what_a_summary_can_not_do_is_refused(as_owner: APIClient, parameter: str) -> None:
    response = as_owner.get(f"/api/orders/summary?group_by=office&{parameter}")
    problem(response, 400, parameter.split("=")[0])
