"""What the ledger can't say: no endpoint makes more queries for 200 rows than for 5."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

import querybudget
from businesses.models import Membership, Office, Role, User
from orders.export import CHUNK
from tests import factories

if TYPE_CHECKING:
    from querybudget.growth import QueryGrowth

pytestmark = pytest.mark.django_db


@pytest.fixture
def grow(office: Office, owner: User) -> Callable[[int], None]:
    """`grow(n)`: n more of all that an endpoint lists; orders of as many offices and users, with 1 to 5 lines each."""

    def make(number: int) -> None:
        for index in range(number):
            factories.product()
            owner.addresses.create(street="a", city="b", postcode="c", country="DK", active=False)
            at = factories.office(factories.company())
            Membership.objects.create(user=owner, company=at.company, office=at, role=Role.VIEWER)
            at = factories.office(office.company)
            factories.order(at, factories.member(at), lines=1 + index % 5)

    return make


def read(response: Any) -> None:
    assert response.status_code in (200, 201), response.content
    if response.streaming:
        b"".join(response)


@pytest.mark.parametrize(
    "url",
    [
        "/api/orders?limit=200",
        "/api/orders?limit=200&expand=company,office,placed_by,events",
        "/api/orders/summary?group_by=office",
        "/api/orders/export",
        "/api/companies?limit=200",
        "/api/offices?limit=200",
        "/api/addresses?limit=200",
        "/api/products?limit=200",
        "/api/me",
    ],
)
def test_queries_do_not_grow_with_rows(
    client_of: Any, owner: User, grow: Callable[[int], None], query_growth: QueryGrowth, url: str
) -> None:
    client = client_of(owner)
    seen = query_growth(grow, lambda: read(client.get(url)), sizes=(5, 200))
    assert len(seen[5]) == len(seen[200])  # not even by a batch


@pytest.mark.parametrize("fields", ["id,number,office", "id,number"])
def test_lines_that_are_not_asked_for_are_not_fetched(
    client_of: Any, owner: User, grow: Callable[[int], None], fields: str
) -> None:
    grow(5)
    client = client_of(owner)
    with querybudget.watch() as seen:
        read(client.get(f"/api/orders?fields={fields}"))
    assert len(seen.counted) == 2  # scope, orders


def test_a_detail_does_not_grow_with_its_lines(
    client_of: Any, owner: User, office: Office, query_growth: QueryGrowth
) -> None:
    client, orders = client_of(owner), []
    seen = query_growth(
        lambda number: orders.append(factories.order(office, owner, lines=number)),
        lambda: read(client.get(f"/api/orders/{orders[-1].pk}?expand=events")),
        sizes=(5, 200),
    )
    assert len(seen[5]) == len(seen[200])


@pytest.mark.parametrize("url", ["/api/orders", "/api/orders?expand=events"])
@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "k"}], ids=["plain", "idempotent"])
def test_placing_does_not_grow_with_lines(
    client_of: Any, owner: User, office: Office, query_growth: QueryGrowth, headers: dict[str, str], url: str
) -> None:
    client = client_of(owner)
    lines: list[dict[str, Any]] = []

    def make(number: int) -> None:
        lines[:] = [{"sku": factories.product().sku, "quantity": number} for _ in range(number)]

    def place() -> None:
        read(client.post(url, {"office": office.pk, "lines": lines}, headers=headers))

    seen = query_growth(make, place, sizes=(5, 200))
    assert len(seen[5]) == len(seen[200])


@pytest.mark.query_budget(5, "GET /api/orders/export", reason="three chunks")
def test_a_rendered_export_reads_lines_once_for_each_chunk(
    client_of: Any, owner: User, office: Office, by_serializers: None
) -> None:
    client = client_of(owner)
    factories.copies(factories.order(office, owner, lines=1), 2 * CHUNK + 1)
    with querybudget.watch() as seen:
        read(client.get("/api/orders/export"))
    assert len(seen.counted) == 2 + 3  # scope, orders, lines for each of three chunks
