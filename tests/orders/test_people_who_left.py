"""What a company is shown of people: of those who have left it, an id and a name."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from rest_framework.test import APIClient

from api.seam import ordinary
from businesses.models import Address, Company, Membership, Office, Role, User
from orders.models import Order, OrderEvent, Product
from tests import factories

pytestmark = pytest.mark.django_db(transaction=True)  # what is faster answers outside of transactions only

PLACE = {"street": "Secret 1", "city": "Kiel", "postcode": "24103", "country": "DE"}


@pytest.fixture
def placer(office: Office) -> User:
    return factories.member(office, Role.BUYER, email="placer@example.com", username="the-placer")


@pytest.fixture
def theirs(office: Office, placer: User) -> Order:
    order = factories.order(office, placer)
    order.events.create(actor=placer, kind=OrderEvent.Kind.EDITED, at=order.placed_at)
    return order


@pytest.fixture
def left(theirs: Order, placer: User) -> Order:
    """An order of somebody who belongs to another company by now, and has moved."""
    Membership.objects.filter(user=placer).delete()
    factories.member(factories.office())
    Membership.objects.create(user=placer, company=factories.company(), role=Role.OWNER)
    placer.addresses.update(active=False)
    factories.active_address(placer, street="New 1")
    return theirs


EXPANSIONS = "placed_by,events,events.actor"
PRIVATE = (b"New 1", b"Parkvej 7", b"the-placer", b"placer@example.com")


def answers(client: APIClient, order: Order) -> dict[str, bytes]:
    """All that shows people."""
    found = {
        path: client.get(path)
        for path in (
            f"/api/orders?fields=id,placed_by,address,events&expand={EXPANSIONS}",
            f"/api/orders/{order.pk}?fields=id,placed_by,address,events&expand={EXPANSIONS}",
            f"/api/orders/{order.pk}/events?expand=actor",
            f"/api/orders/export?format=ndjson&fields=id,placed_by,address,events&expand={EXPANSIONS}",
            "/api/orders/export?format=csv&fields=id,placed_by,address,lines.sku&expand=placed_by",
        )
    }
    assert {answer.status_code for answer in found.values()} == {200}
    return {path: b"".join(answer) if answer.streaming else answer.content for path, answer in found.items()}


def test_members_see_each_other(as_owner: APIClient, theirs: Order, placer: User) -> None:
    for body in answers(as_owner, theirs).values():
        assert b"the-placer" in body
        assert b"placer@example.com" in body
    row = as_owner.get(f"/api/orders/{theirs.pk}?expand=placed_by").json()
    assert row["placed_by"] == {"id": placer.pk, "name": placer.name, "username": "the-placer", "email": placer.email}
    assert row["address"]["street"] == "Parkvej 7"


def test_of_who_left_nothing_is_seen_but_who_it_was(as_owner: APIClient, left: Order, placer: User) -> None:
    bodies = answers(as_owner, left)
    for path, body in bodies.items():
        assert not [word for word in PRIVATE if word in body], path
        assert placer.name.encode() in body, path
    person = {"id": placer.pk, "name": placer.name, "username": None, "email": None}
    row = as_owner.get(f"/api/orders/{left.pk}?expand={EXPANSIONS}").json()
    assert (row["placed_by"], row["address"]) == (person, None)
    assert [event["actor"] for event in row["events"]] == [person, person]
    assert as_owner.get(f"/api/orders/{left.pk}/events?expand=actor").json()["results"][0]["actor"] == person
    brief = as_owner.get(f"/api/orders/{left.pk}").json()["placed_by"]
    assert brief == {"id": placer.pk, "name": placer.name}


@pytest.mark.query_budget(None, reason="also asked of the serializers")
def test_both_ways_write_the_same(as_owner: APIClient, left: Order, office: Office, owner: User) -> None:
    factories.order(office, owner)
    sooner = answers(as_owner, left)
    cache.clear()
    with ordinary():
        assert answers(as_owner, left) == sooner


@pytest.mark.parametrize("role", Role.values)
@pytest.mark.parametrize("whole", [True, False])
def test_any_membership_of_the_company_will_do(
    as_owner: APIClient, left: Order, company: Company, placer: User, role: str, whole: bool
) -> None:
    there = None if whole else factories.office(company)
    Membership.objects.create(user=placer, company=company, office=there, role=role)
    row = as_owner.get(f"/api/orders/{left.pk}?expand=placed_by").json()
    assert (row["placed_by"]["username"], row["address"]["street"]) == ("the-placer", "New 1")


def test_several_memberships_show_an_order_once(as_owner: APIClient, theirs: Order, office: Office) -> None:
    Membership.objects.create(user=theirs.placed_by, company=office.company, role=Role.VIEWER)
    there = factories.office(office.company)
    Membership.objects.create(user=theirs.placed_by, company=office.company, office=there, role=Role.VIEWER)
    path = f"/api/orders?expand={EXPANSIONS}"
    (row,) = as_owner.get(path).json()["results"]
    assert len(row["events"]) == 2


def test_a_kept_page_knows_who_has_left_and_who_has_come(
    as_owner: APIClient, theirs: Order, company: Company, placer: User
) -> None:
    shown = "fields=placed_by,address&expand=placed_by"
    paths = [f"/api/orders?{shown}", f"/api/orders/{theirs.pk}?{shown}", f"/api/orders/{theirs.pk}/events?expand=actor"]

    def get() -> list[bytes]:
        return [as_owner.get(path).content for path in paths]

    before = get()
    assert get() == before
    tags = [as_owner.get(path)["ETag"] for path in paths]
    held = Membership.objects.get(user=placer)
    held.delete()
    assert [as_owner.get(p, headers={"If-None-Match": t}).status_code for p, t in zip(paths, tags, strict=True)] == [
        200
    ] * 3
    gone = get()
    assert not [body for body in gone if b"the-placer" in body or b"Parkvej 7" in body]
    Membership.objects.bulk_create([Membership(user=placer, company=company, role=Role.VIEWER)])
    assert get() == before
    Membership.objects.filter(user=placer).update(company=factories.company())
    assert get() == gone
    with connection.cursor() as cursor:
        cursor.execute("UPDATE businesses_membership SET company_id = %s WHERE user_id = %s", [company.pk, placer.pk])
    assert get() == before


# --- Where an order goes


@pytest.fixture
def edited(client_of: Any, company: Company, theirs: Order) -> Any:
    approver = client_of(factories.member(company, Role.APPROVER))

    def patch(address: int, client: APIClient = approver) -> Any:
        order = Order.objects.get(pk=theirs.pk)
        return client.patch(f"/api/orders/{order.pk}", {"version": order.revision, "address": address})

    return patch


def refusal(answer: Any) -> dict[str, Any]:
    assert answer.status_code == 400
    return {key: answer.json()[key] for key in ("title", "code", "detail", "errors")}


def test_an_approver_chooses_the_active_address_only(edited: Any, placer: User, theirs: Order) -> None:
    inactive = Address.objects.create(user=placer, **PLACE)
    others = factories.active_address(factories.user())
    assert refusal(edited(inactive.pk)) == refusal(edited(others.pk)) == refusal(edited(10**9))
    assert Order.objects.get(pk=theirs.pk).ship_street == theirs.ship_street
    answer = edited(placer.active_address.pk)
    assert (answer.status_code, answer.json()["ship_to"]["street"]) == (200, "Parkvej 7")


def test_the_placer_chooses_any_of_theirs(edited: Any, client_of: Any, placer: User) -> None:
    inactive = Address.objects.create(user=placer, **PLACE)
    answer = edited(inactive.pk, client_of(placer))
    assert (answer.status_code, answer.json()["ship_to"]["street"]) == (200, "Secret 1")


def test_nor_the_active_address_of_somebody_who_left(edited: Any, left: Order, placer: User) -> None:
    assert refusal(edited(placer.active_address.pk)) == refusal(edited(10**9))


def test_an_owner_who_is_the_placer_of_nothing_is_no_exception(
    edited: Any, as_owner: APIClient, placer: User, product: Product
) -> None:
    inactive = Address.objects.create(user=placer, **PLACE)
    assert refusal(edited(inactive.pk, as_owner)) == refusal(edited(10**9, as_owner))


# --- What the relations are without a plan


def test_the_relations_are_read_without_a_plan_too(theirs: Order, placer: User) -> None:
    order = Order.objects.get(pk=theirs.pk)
    event = order.events.first()
    assert event is not None
    assert (order.placer, order.placer_address, event.acting_member) == (placer, placer.addresses.get(), placer)
    Membership.objects.filter(user=placer).delete()
    order, event = Order.objects.get(pk=theirs.pk), OrderEvent.objects.get(pk=event.pk)
    assert (order.placer, order.placer_address, event.acting_member) == (None, None, None)
    assert not Order.objects.filter(placer__username="the-placer").exists()


def test_csv_leaves_the_columns_empty(as_owner: APIClient, left: Order) -> None:
    text = b"".join(as_owner.get("/api/orders/export?format=csv&expand=placed_by")).decode()
    row = next(csv.DictReader(io.StringIO(text)))
    assert (row["placed_by.username"], row["placed_by.email"], row["address.street"]) == ("", "", "")
    assert json.loads(row["placed_by.id"]) == left.placed_by_id
