"""Who may see several companies gets one list of them, in its order, whichever companies have ordered lately."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from rest_framework.test import APIClient

from businesses.models import Membership, Role, User
from orders.models import Order
from tests import factories
from tests.orders.test_paging import last_page, walk

pytestmark = pytest.mark.django_db


@pytest.fixture
def roving() -> User:
    """A viewer of three companies, whose orders alternate for a time, and one of which then falls asleep."""
    person = factories.user()
    companies = [factories.company() for _ in range(4)]
    offices = [factories.office(company) for company in companies]
    for number in range(60):
        of = number % 4 if number < 40 else 1 + number % 3
        placed_at = factories.START + timedelta(hours=number // 3)  # some at the same time
        factories.order(offices[of], person, placed_at=placed_at, number=f"202{4 + number // 50}-{number * 7 % 60:08d}")
    for company in companies[:3]:
        Membership.objects.create(user=person, company=company, role=Role.VIEWER)
    return person


def expected(person: User, *order: str, **narrowed: Any) -> list[int]:
    visible = Order.objects.filter(company__memberships__user=person, **narrowed)
    return list(visible.order_by(*order).values_list("pk", flat=True))


CASES = [
    ("", ("-placed_at", "-id"), {}),
    ("&ordering=placed_at", ("placed_at", "id"), {}),
    ("&ordering=number", ("number", "id"), {}),
    ("&search=2024", ("-number", "-id"), {"number__startswith": "2024"}),
    ("&search=2024&ordering=placed_at", ("placed_at", "id"), {"number__startswith": "2024"}),
    (
        "&placed_after=2026-01-01T20:00:00Z",
        ("-placed_at", "-id"),
        {"placed_at__gte": factories.START + timedelta(hours=8)},
    ),
    ("&date_after=2026-01-02", ("-placed_at", "-id"), {"date__gte": "2026-01-02"}),
]


@pytest.mark.parametrize("limit", [1, 4, 200])
@pytest.mark.parametrize(("query", "order", "narrowed"), CASES)
def test_every_order_comes_once_in_its_order_forwards_and_back(
    client_of: Any, roving: User, query: str, order: tuple[str, ...], narrowed: dict[str, Any], limit: int
) -> None:
    client: APIClient = client_of(roving)
    url = f"/api/orders?limit={limit}&fields=id{query}"
    pages = walk(client, url)
    assert [row for page in pages for row in page] == expected(roving, *order, **narrowed) != []
    assert walk(client, last_page(client, url), "previous") == pages[::-1]


def test_a_company_is_left_out_as_soon_as_it_may_not_be_seen(client_of: Any, roving: User) -> None:
    client: APIClient = client_of(roving)
    before = client.get("/api/orders?limit=200&fields=id").json()["results"]
    roving.memberships.earliest("pk").delete()
    after = client.get("/api/orders?limit=200&fields=id").json()["results"]
    assert [row["id"] for row in after] == expected(roving, "-placed_at", "-id")
    assert 0 < len(after) < len(before)
