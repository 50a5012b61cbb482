"""GET /api/orders/{id}/events: what happened, oldest first, for ever."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction
from rest_framework.test import APIClient

from businesses.models import Office, User
from orders.models import Order, OrderEvent
from tests import factories
from tests.orders.expecting import ids, problem, results

pytestmark = pytest.mark.django_db


@pytest.fixture
def order(office: Office, owner: User) -> Order:
    order = factories.order(office, owner)
    for kind in ("edited", "approved", "fulfilled"):
        data = {"fields": ["lines"]} if kind == "edited" else {}
        OrderEvent.objects.create(order=order, actor=owner, kind=kind, data=data, at=order.placed_at)
    return order


def test_events_come_oldest_first(as_owner: APIClient, order: Order) -> None:
    kinds = [event["kind"] for event in results(as_owner.get(f"/api/orders/{order.pk}/events"))]
    assert kinds == ["placed", "edited", "approved", "fulfilled"]


def test_an_event_in_full(as_owner: APIClient, order: Order, owner: User) -> None:
    event = order.events.get(kind="edited")
    assert results(as_owner.get(f"/api/orders/{order.pk}/events"))[1] == {
        "id": event.pk,
        "kind": "edited",
        "actor": {"id": owner.pk, "name": owner.get_full_name()},
        "data": {"fields": ["lines"]},
        "at": order.placed_at.isoformat().replace("+00:00", "Z"),
    }


def test_only_this_orders_events(as_owner: APIClient, order: Order, office: Office, owner: User) -> None:
    other = factories.order(office, owner)
    assert ids(as_owner.get(f"/api/orders/{other.pk}/events")) == [other.events.get().pk]


def test_newest_first(as_owner: APIClient, order: Order) -> None:
    oldest_first = ids(as_owner.get(f"/api/orders/{order.pk}/events"))
    assert ids(as_owner.get(f"/api/orders/{order.pk}/events?ordering=-id")) == oldest_first[::-1]


def test_events_come_in_pages(as_owner: APIClient, order: Order) -> None:
    everything = ids(as_owner.get(f"/api/orders/{order.pk}/events"))
    page = as_owner.get(f"/api/orders/{order.pk}/events?limit=3")
    assert ids(page) + ids(as_owner.get(page.json()["next"])) == everything


def test_fields_and_expand(as_owner: APIClient, order: Order, owner: User) -> None:
    query = "expand=actor&fields=kind,actor.username&limit=1"
    rows = results(as_owner.get(f"/api/orders/{order.pk}/events?{query}"))
    assert rows == [{"kind": "placed", "actor": {"username": owner.username}}]


def test_an_unknown_order_has_none(as_owner: APIClient) -> None:
    problem(as_owner.get("/api/orders/999999999/events"), 404)


@pytest.mark.parametrize("change", [lambda events: events.update(kind="placed"), lambda events: events.delete()])
def test_the_database_refuses_to_change_them(order: Order, change: object) -> None:
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        change(OrderEvent.objects.filter(order=order))  # type: ignore[operator]
