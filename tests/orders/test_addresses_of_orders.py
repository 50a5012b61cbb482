"""Where an order goes: to addresses of who placed it; others choose by what they are shown."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

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
