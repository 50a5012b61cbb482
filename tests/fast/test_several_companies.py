"""Several companies are looked through one by one, unless a filter has an index of its own."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from businesses.models import Membership, User
from tests import factories
from tests.orders.test_several_companies import CASES, expected, roving

__all__ = ["roving"]  # a fixture
pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("query", [query for query, _, _ in CASES])
def test_each_company_is_looked_through(client_of: Any, roving: User, query: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        client_of(roving).get(f"/api/orders?fields=id{query}")
    assert '= ("value"."each")' in captured[-1]["sql"]


@pytest.mark.django_db(transaction=True)
def test_it_is_the_same_when_planned_once(client_of: Any, roving: User) -> None:
    client: APIClient = client_of(roving)
    for limit in (7, 20):
        for _ in range(4):
            first = client.get(f"/api/orders?limit={limit}&fields=id", headers={"Cache-Control": "no-cache"}).json()
            assert [row["id"] for row in first["results"]] == expected(roving, "-placed_at", "-id")[:limit]
            rest = client.get(first["next"], headers={"Cache-Control": "no-cache"}).json()
            assert [row["id"] for row in rest["results"]] == expected(roving, "-placed_at", "-id")[limit : 2 * limit]
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%LATERAL%'")
        assert cursor.fetchone() == (4,)


@pytest.mark.parametrize("query", ["status=placed", "placed_by=1", "office=1", "company=1"])
def test_a_filter_with_an_index_of_its_own_is_left_to_it(client_of: Any, roving: User, query: str) -> None:
    with CaptureQueriesContext(connection) as captured:
        client_of(roving).get(f"/api/orders?{query}")
    assert "LATERAL" not in captured[-1]["sql"]


def test_so_are_single_offices(client_of: Any, roving: User) -> None:
    Membership.objects.create(user=roving, company=(office := factories.office()).company, office=office, role="viewer")
    order = factories.order(office, roving)
    with CaptureQueriesContext(connection) as captured:
        answered = client_of(roving).get("/api/orders?limit=200&fields=id").json()
    assert order.pk in [row["id"] for row in answered["results"]]
    assert "LATERAL" not in captured[-1]["sql"]
