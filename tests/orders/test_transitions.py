"""POST /api/orders/{id}/transitions: placed → approved → fulfilled; placed or approved → cancelled."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest
from rest_framework.test import APIClient

from businesses.models import Company, Office, Role, User
from orders.models import Order
from orders.states import Status
from tests import factories
from tests.orders.expecting import problem

pytestmark = pytest.mark.django_db

STEPS = {("placed", "approved"), ("placed", "cancelled"), ("approved", "fulfilled"), ("approved", "cancelled")}
IMPOSSIBLE = [pair for pair in product(Status.values, ["approved", "fulfilled", "cancelled"]) if pair not in STEPS]


def move(client: APIClient, order: Order, to: str, version: int | None = None) -> Any:
    content = {"to": to, "version": order.revision if version is None else version}
    return client.post(f"/api/orders/{order.pk}/transitions", content)


@pytest.mark.parametrize(("status", "to"), sorted(STEPS))
def test_the_steps_of_an_order(as_owner: APIClient, office: Office, owner: User, status: str, to: str) -> None:
    order = factories.order(office, owner, status=status)
    response = move(as_owner, order, to)
    assert (response.status_code, response.json()["status"]) == (200, to)
    assert response.json() == as_owner.get(f"/api/orders/{order.pk}").json()


@pytest.mark.parametrize(("status", "to"), IMPOSSIBLE)
def test_there_are_no_others(as_owner: APIClient, office: Office, owner: User, status: str, to: str) -> None:
    order = factories.order(office, owner, status=status)
    document = problem(move(as_owner, order, to), 409)
    assert document["code"] == "illegal_transition"
    assert status in document["detail"]
    assert to in document["detail"]


@pytest.mark.parametrize(
    ("role", "own", "status", "to", "answer"),
    [
        (Role.VIEWER, True, "placed", "cancelled", 403),
        (Role.VIEWER, False, "placed", "approved", 403),
        (Role.BUYER, True, "placed", "cancelled", 200),
        (Role.BUYER, False, "placed", "cancelled", 403),
        (Role.BUYER, True, "placed", "approved", 403),
        (Role.BUYER, True, "approved", "cancelled", 403),
        (Role.BUYER, True, "approved", "fulfilled", 403),
        (Role.APPROVER, False, "placed", "approved", 200),
        (Role.APPROVER, False, "placed", "cancelled", 200),
        (Role.APPROVER, False, "approved", "fulfilled", 200),
        (Role.APPROVER, False, "approved", "cancelled", 200),
        (Role.OWNER, False, "approved", "fulfilled", 200),
    ],
)
def test_each_step_takes_a_role(
    client_of: Any, office: Office, owner: User, role: Role, own: bool, status: str, to: str, answer: int
) -> None:
    person = factories.member(office.company, role)
    order = factories.order(office, person if own else owner, status=status)
    assert move(client_of(person), order, to).status_code == answer


def test_allowed_transitions_are_exactly_those_that_succeed(client_of: Any, office: Office, owner: User) -> None:
    for role, status in product(Role, Status):
        client = client_of(factories.member(office.company, role))
        allowed = client.get(f"/api/orders/{factories.order(office, owner, status=status).pk}").json()
        done = [
            to
            for to in ("approved", "fulfilled", "cancelled")
            if move(client, factories.order(office, owner, status=status), to).status_code == 200
        ]
        assert sorted(allowed["allowed_transitions"]) == sorted(done), (role, status)


def test_an_approver_of_one_office_approves_there_only(client_of: Any, office: Office, owner: User) -> None:
    person = factories.member(office, Role.APPROVER)
    person.memberships.create(company=office.company, role=Role.VIEWER)
    client = client_of(person)
    here, there = factories.order(office, owner), factories.order(factories.office(office.company), owner)
    assert [move(client, order, "approved").status_code for order in (here, there)] == [200, 403]


def test_a_stale_version_is_a_conflict(as_owner: APIClient, office: Office, owner: User) -> None:
    order = factories.order(office, owner)
    move(as_owner, order, "approved")
    assert problem(move(as_owner, order, "fulfilled"), 409)["code"] == "stale_version"


def test_the_new_version_takes_it_further(as_owner: APIClient, office: Office, owner: User) -> None:
    order = factories.order(office, owner)
    version = move(as_owner, order, "approved").json()["version"]
    assert move(as_owner, order, "fulfilled", version).json()["status"] == "fulfilled"


def test_the_version_is_the_companys_new_revision(
    as_owner: APIClient, office: Office, company: Company, owner: User
) -> None:
    order = factories.order(office, owner)
    version = move(as_owner, order, "approved").json()["version"]
    company.refresh_from_db()
    assert version == company.revision == order.revision + 1


def test_each_step_writes_one_event(as_owner: APIClient, office: Office, owner: User) -> None:
    order = factories.order(office, owner)
    version = move(as_owner, order, "approved").json()["version"]
    move(as_owner, order, "cancelled", version)
    assert [(event.kind, event.actor, event.data) for event in order.events.all()] == [
        ("placed", owner, {}),
        ("approved", owner, {}),
        ("cancelled", owner, {}),
    ]


def test_a_refused_step_changes_nothing(as_owner: APIClient, office: Office, company: Company, owner: User) -> None:
    order = factories.order(office, owner)
    before = as_owner.get(f"/api/orders/{order.pk}?expand=company,events").json()
    problem(move(as_owner, order, "fulfilled"), 409)
    problem(move(as_owner, order, "approved", version=0), 409)
    assert as_owner.get(f"/api/orders/{order.pk}?expand=company,events").json() == before


def test_nobody_moves_an_order_back_to_placed(as_owner: APIClient, office: Office, owner: User) -> None:
    problem(move(as_owner, factories.order(office, owner, status=Status.APPROVED), "placed"), 400, "to")


def test_the_answer_can_be_shaped(as_owner: APIClient, office: Office, owner: User) -> None:
    order = factories.order(office, owner)
    content = {"to": "approved", "version": order.revision}
    response = as_owner.post(f"/api/orders/{order.pk}/transitions?fields=status,allowed_transitions", content)
    assert response.json() == {"status": "approved", "allowed_transitions": ["fulfilled", "cancelled"]}


def test_an_order_is_cancelled_never_deleted(as_owner: APIClient, office: Office, owner: User) -> None:
    problem(as_owner.delete(f"/api/orders/{factories.order(office, owner).pk}"), 405)
