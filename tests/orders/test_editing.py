"""PATCH /api/orders/{id}: who may change what, from which version."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from businesses.models import Address, Company, Office, Role, User
from orders.models import Order, Product
from orders.states import Status
from tests import factories
from tests.orders.expecting import problem

pytestmark = pytest.mark.django_db


def patch(client: APIClient, order: Order, **changes: Any) -> Any:
    return client.patch(f"/api/orders/{order.pk}", {"version": order.revision, **changes})


def lines(*products: Product, quantity: int = 3) -> list[dict[str, Any]]:
    return [{"sku": product.sku, "quantity": quantity} for product in products]


def test_new_lines_replace_the_old_ones(as_owner: APIClient, order: Order, product: Product) -> None:
    other = factories.product(unit_price=1)
    changed = patch(as_owner, order, lines=lines(other, product)).json()
    found = [(line["position"], line["sku"], line["quantity"]) for line in changed["lines"]]
    assert found == [(1, other.sku, 3), (2, product.sku, 3)]
    assert changed["total"] == "10.50"


def test_new_lines_take_todays_prices_and_currency(as_owner: APIClient, order: Order) -> None:
    changed = patch(as_owner, order, lines=lines(factories.product(unit_price=Decimal("0.07"), currency="DKK")))
    assert (changed.json()["total"], changed.json()["currency"]) == ("0.21", "DKK")


def test_a_new_address_leaves_the_lines(as_owner: APIClient, order: Order, owner: User) -> None:
    dock = Address.objects.create(user=owner, street="Dock 3", city="Kiel", postcode="24103", country="DE")
    changed = patch(as_owner, order, address=dock.pk).json()
    assert changed["ship_to"] == {"street": "Dock 3", "city": "Kiel", "postcode": "24103", "country": "DE"}
    assert (len(changed["lines"]), changed["total"]) == (2, "10.00")


def test_the_version_moves_on_with_the_company(as_owner: APIClient, order: Order, company: Company) -> None:
    changed = patch(as_owner, order, lines=lines(factories.product())).json()
    company.refresh_from_db()
    assert changed["version"] == company.revision == order.revision + 1


def test_updated_at_moves_and_placed_at_stays(as_owner: APIClient, order: Order, product: Product) -> None:
    patch(as_owner, order, lines=lines(product))
    changed = Order.objects.get()
    assert changed.updated_at > order.updated_at
    assert changed.placed_at == order.placed_at


def test_the_event_names_what_was_edited(as_owner: APIClient, order: Order, owner: User, product: Product) -> None:
    patch(as_owner, order, lines=lines(product), address=owner.addresses.get().pk)
    event = order.events.last()
    assert event is not None
    assert (event.kind, event.actor, event.data) == ("edited", owner, {"fields": ["lines", "address"]})


def test_a_stale_version_is_a_conflict(as_owner: APIClient, order: Order, product: Product) -> None:
    patch(as_owner, order, lines=lines(product))
    document = problem(patch(as_owner, order, lines=lines(product)), 409)
    assert document["code"] == "stale_version"
    assert str(order.revision) in document["detail"]


def test_a_version_from_the_future_is_a_conflict(as_owner: APIClient, order: Order, product: Product) -> None:
    problem(patch(as_owner, order, version=order.revision + 1, lines=lines(product)), 409)


def test_another_orders_change_leaves_the_version_good(
    as_owner: APIClient, order: Order, office: Office, owner: User, product: Product
) -> None:
    factories.order(office, owner)
    assert patch(as_owner, order, lines=lines(product)).status_code == 200


@pytest.mark.parametrize("status", [Status.APPROVED, Status.FULFILLED, Status.CANCELLED])
def test_only_a_placed_order_can_be_edited(
    as_owner: APIClient, office: Office, owner: User, product: Product, status: Status
) -> None:
    order = factories.order(office, owner, status=status)
    assert problem(patch(as_owner, order, lines=lines(product)), 409)["code"] == "not_editable"


def test_a_refused_edit_changes_nothing(as_owner: APIClient, order: Order, company: Company, product: Product) -> None:
    company.refresh_from_db()
    before = as_owner.get(f"/api/orders/{order.pk}?expand=events").json()
    problem(patch(as_owner, order, version=0, lines=lines(product)), 409)
    problem(patch(as_owner, order, lines=lines(product), address=10**6), 400, "address")
    assert as_owner.get(f"/api/orders/{order.pk}?expand=events").json() == before
    revision = company.revision
    company.refresh_from_db()
    assert company.revision == revision


@pytest.mark.parametrize(
    ("role", "own", "status"),
    [
        (Role.VIEWER, True, 403),
        (Role.BUYER, True, 200),
        (Role.BUYER, False, 403),
        (Role.APPROVER, False, 200),
        (Role.OWNER, False, 200),
    ],
)
def test_its_buyer_or_an_approver_may_edit(
    client_of: Any, office: Office, owner: User, product: Product, role: Role, own: bool, status: int
) -> None:
    person = factories.member(office.company, role)
    order = factories.order(office, person if own else owner)
    assert patch(client_of(person), order, lines=lines(product)).status_code == status


def test_an_approver_sends_it_to_the_placing_users_address_only(
    client_of: Any, office: Office, order: Order, owner: User
) -> None:
    approver = factories.member(office.company, Role.APPROVER)
    client = client_of(approver)
    problem(patch(client, order, address=approver.addresses.get().pk), 400, "address")
    assert patch(client, order, address=owner.addresses.get().pk).status_code == 200


@pytest.mark.parametrize("field", ["status", "total", "number", "placed_by", "office", "currency"])
def test_the_rest_of_an_order_is_not_for_clients(as_owner: APIClient, order: Order, field: str) -> None:
    problem(patch(as_owner, order, **{field: "1"}), 400, field)


def test_nothing_to_change_is_refused(as_owner: APIClient, order: Order) -> None:
    assert "lines" in problem(patch(as_owner, order), 400)["detail"]


def test_fields_and_expand_shape_the_answer(as_owner: APIClient, order: Order, product: Product) -> None:
    content = {"version": order.revision, "lines": lines(product, factories.product())}
    response = as_owner.patch(f"/api/orders/{order.pk}?fields=total,events.kind&expand=events", content)
    assert response.json() == {"total": "15.00", "events": [{"kind": "placed"}, {"kind": "edited"}]}
