"""A write has the rights of the moment when it has its lock: not what was taken away while it waited."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import transaction
from knox.models import get_token_model

from businesses import revisions
from businesses.models import Address, Company, Membership, Office, Role, User
from orders.models import Order, Product
from tests import factories
from tests.orders.test_concurrency import Together, somebody_waits
from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)

Change = Callable[[User], object]


def waiting(call: Callable[[], Any], company: Company, change: Callable[[], object]) -> Any:
    """The answer to a request that waits for the company's lock while `change` is made and committed."""
    return behind(partial(revisions.bump, [company.pk]), call, change)


def behind(lock: Callable[[], object], call: Callable[[], Any], change: Callable[[], object]) -> Any:
    with Together(1) as threads:
        with transaction.atomic():
            lock()
            threads.start(call)
            assert eventually(somebody_waits)
            change()
        (answer,) = threads.results()
    return answer


def here(user: User) -> Any:
    return Membership.objects.filter(pk=user.memberships.earliest("pk").pk)


def leave(user: User) -> None:
    here(user).delete()


def become(role: Role, user: User) -> None:
    here(user).update(role=role)


def sign_out(user: User) -> None:
    get_token_model().objects.filter(user=user).delete()


def expire(user: User) -> None:
    get_token_model().objects.filter(user=user).update(expiry=datetime.now(UTC) - timedelta(seconds=1))


def deactivate(user: User) -> None:
    User.objects.filter(pk=user.pk).update(is_active=False)


def nothing(user: User) -> None:
    pass


@pytest.fixture
def buyer(company: Company) -> User:
    """Who is one elsewhere too, and so may order at all."""
    person = factories.member(company, Role.BUYER)
    Membership.objects.create(user=person, company=factories.company(), role=Role.BUYER)
    return person


@pytest.fixture
def calls(client_of: Any, office: Office, product: Product, buyer: User) -> dict[str, Callable[[], Any]]:
    client, order = client_of(buyer), factories.order(office, buyer)
    lines = [{"sku": product.sku, "quantity": 2}]
    path = f"/api/orders/{order.pk}"
    return {
        "place": partial(client.post, "/api/orders", {"office": office.pk, "lines": lines}),
        "edit": partial(client.patch, path, {"version": order.revision, "lines": lines}),
        "move": partial(client.post, f"{path}/transitions", {"version": order.revision, "to": "cancelled"}),
    }


CHANGES: dict[str, tuple[Change, dict[str, int]]] = {
    "left": (leave, {"place": 400, "edit": 404, "move": 404}),
    "viewer": (partial(become, Role.VIEWER), {"place": 403, "edit": 403, "move": 403}),
    "signed out": (sign_out, {"place": 401, "edit": 401, "move": 401}),
    "expired": (expire, {"place": 401, "edit": 401, "move": 401}),
    "inactive": (deactivate, {"place": 401, "edit": 401, "move": 401}),
    "owner": (partial(become, Role.OWNER), {"place": 201, "edit": 200, "move": 200}),
    "nothing": (nothing, {"place": 201, "edit": 200, "move": 200}),
}


@pytest.mark.parametrize("write", ["place", "edit", "move"])
@pytest.mark.parametrize("name", CHANGES)
def test_a_write_that_waited_is_answered_as_one_that_begins_now(
    calls: dict[str, Callable[[], Any]], company: Company, buyer: User, name: str, write: str
) -> None:
    change, statuses = CHANGES[name]
    answer = waiting(calls[write], company, partial(change, buyer))
    assert answer.status_code == statuses[write]
    if answer.status_code >= 400:
        again = calls[write]()
        assert (again.status_code, again["Content-Type"]) == (answer.status_code, "application/problem+json")
        told = [{key: each.json()[key] for key in ("code", "detail", "errors")} for each in (answer, again)]
        assert told[0] == told[1]


@pytest.mark.parametrize("write", ["place", "edit", "move"])
def test_what_is_refused_leaves_no_trace(
    calls: dict[str, Callable[[], Any]], company: Company, buyer: User, write: str
) -> None:
    before = list(Order.objects.order_by("pk").values())
    company.refresh_from_db()
    assert waiting(calls[write], company, partial(sign_out, buyer)).status_code == 401
    assert list(Order.objects.order_by("pk").values()) == before
    assert Company.objects.get(pk=company.pk).revision == company.revision + 1  # the one who held the lock


def test_a_role_in_another_office_is_none_here(
    client_of: Any, office: Office, company: Company, product: Product
) -> None:
    there = factories.office(company)
    person = factories.member(office, Role.BUYER)
    body = {"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}]}
    move = partial(Membership.objects.filter(user=person).update, office=there)
    assert waiting(partial(client_of(person).post, "/api/orders", body), company, move).status_code == 400


def test_a_repeat_of_somebody_who_left_is_not_shown_the_order(
    client_of: Any, office: Office, company: Company, product: Product, buyer: User
) -> None:
    body = {"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}]}
    post = partial(client_of(buyer).post, "/api/orders", body, headers={"Idempotency-Key": "one"})
    assert post().status_code == 201
    assert waiting(post, company, partial(leave, buyer)).status_code == 404
    assert post().status_code == 404


@pytest.mark.query_budget(None, reason="who came by a session is looked for by more queries")
@pytest.mark.parametrize(("change", "status"), [(leave, 400), (deactivate, 401), (nothing, 201)])
def test_it_is_the_same_for_a_session(
    office: Office, company: Company, product: Product, buyer: User, change: Change, status: int
) -> None:
    from rest_framework.authentication import SessionAuthentication
    from rest_framework.test import APIClient

    from orders.views import OrderViewSet

    class BySession(SessionAuthentication):
        def authenticate_header(self, request: Any) -> str:
            return "Session"

    body = {"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}]}
    patch = pytest.MonkeyPatch()
    patch.setattr(OrderViewSet, "authentication_classes", [BySession])
    browser = APIClient()
    browser.force_login(buyer)
    try:
        answer = waiting(partial(browser.post, "/api/orders", body), company, partial(change, buyer))
    finally:
        patch.undo()
    assert answer.status_code == status


# --- Addresses, under the lock of their user


def edited(client: Any, home: Address, change: Callable[[], object]) -> Any:
    lock = partial(User.objects.select_for_update(no_key=True).get, pk=home.user_id)
    return behind(lock, partial(client.patch, f"/api/addresses/{home.pk}", {"street": "Elsewhere 1"}), change)


@pytest.mark.parametrize(("change", "status"), [(sign_out, 401), (deactivate, 401), (nothing, 200)])
def test_an_address_is_saved_with_the_rights_of_its_turn(
    client_of: Any, owner: User, change: Change, status: int
) -> None:
    home = owner.addresses.get()
    assert edited(client_of(owner), home, partial(change, owner)).status_code == status
    assert Address.objects.get(pk=home.pk).street == ("Elsewhere 1" if status == 200 else home.street)


def test_an_address_that_was_deleted_meanwhile_is_not_found(client_of: Any, owner: User) -> None:
    home = owner.addresses.get()
    assert edited(client_of(owner), home, Address.objects.filter(pk=home.pk).delete).status_code == 404
