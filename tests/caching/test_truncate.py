"""A TRUNCATE is seen like a DELETE of all rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection, transaction
from rest_framework.test import APIClient

from api.models import Revision
from api.triggers import Trigger, declared
from businesses.models import Company, Membership, Role, User
from orders.models import Order
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)


def truncate(*tables: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"TRUNCATE {', '.join(tables)}")


@pytest.fixture
def order() -> Order:
    return factories.order(factories.office(), factories.member(factories.office()))


def companies() -> dict[int, int]:
    return dict(Company.objects.values_list("pk", "revision"))


@pytest.mark.parametrize(
    "tables",
    [
        ["businesses_membership"],
        ["orders_orderline"],
        ["orders_orderevent"],
        ["orders_order", "orders_orderline", "orders_orderevent"],
    ],
)
def test_it_raises_the_companies(order: Order, tables: list[str]) -> None:
    before = companies()
    truncate(*tables)
    assert {pk: after - before[pk] for pk, after in companies().items()} == dict.fromkeys(before, 1)


def test_of_memberships_it_raises_those_of_their_users(order: Order) -> None:
    name = f"{Revision.MEMBERSHIPS}{order.placed_by_id}"
    before = Revision.objects.get(name=name).value
    truncate("businesses_membership")
    assert Revision.objects.get(name=name).value == before + 1


def test_of_addresses_it_raises_their_users_and_companies(order: Order) -> None:
    before, person = companies(), User.objects.get(pk=order.placed_by_id)
    truncate("businesses_address")
    assert User.objects.get(pk=person.pk).revision == person.revision + 1
    assert companies()[order.company_id] == before[order.company_id] + 1


def test_of_products_it_raises_the_catalogue() -> None:
    factories.product()
    before = Revision.objects.get(name=Revision.CATALOGUE).value
    truncate("orders_product")
    assert Revision.objects.get(name=Revision.CATALOGUE).value == before + 1


def test_it_is_undone_with_its_transaction(order: Order) -> None:
    before = companies()
    with transaction.atomic():
        truncate("businesses_membership")
        transaction.set_rollback(True)
    assert companies() == before


@pytest.mark.parametrize("path", ["/api/orders", "/api/companies", "/api/offices", "/api/me"])
def test_without_memberships_a_request_sees_nothing(client_of: Callable[..., APIClient], path: str) -> None:
    office = factories.office()
    person = factories.member(office, Role.OWNER)
    factories.order(office, person)
    client = client_of(person)
    tag = client.get(path)["ETag"]
    assert client.get(path, headers={"If-None-Match": tag}).status_code == 304
    truncate("businesses_membership")
    seen: Any = client.get(path, headers={"If-None-Match": tag}).json()
    assert seen.get("results", seen.get("memberships")) == []


def test_a_page_does_not_outlive_its_orders(client_of: Callable[..., APIClient], order: Order) -> None:
    client = client_of(factories.member(order.company))
    assert len(client.get("/api/orders").json()["results"]) == 1
    truncate("orders_order", "orders_orderline", "orders_orderevent")
    assert client.get("/api/orders").json()["results"] == []


def test_every_table_with_a_revision_has_a_trigger_of_it() -> None:
    """But users and companies, which are truncated with all tables that refer to them, and those have one."""
    triggers = [part for part in declared["postgresql"].values() if isinstance(part, Trigger) and part.missed]
    told = {trigger.table for trigger in triggers if " TRUNCATE " in trigger.sql}
    assert {trigger.table for trigger in triggers} - told == {"businesses_user", "businesses_company"}


def test_a_flush_still_works(order: Order) -> None:
    call_command("flush", verbosity=0, interactive=False)
    assert not Company.objects.exists()
    assert not Membership.objects.exists()
