"""Ways to write an N+1 into `OrderSerializer`, each in a test that has to fail: `test_n_plus_one_is_told` runs them.

The file's name keeps them out of a run of the suite.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from rest_framework import serializers

from api.shaping import needs
from businesses.models import Company, User
from businesses.serializers import OfficeBriefSerializer
from orders import serializers as of_orders
from orders.models import Order, OrderLine, Product
from orders.views import OrderExportViewSet, OrderViewSet
from tests import factories

METHOD = serializers.SerializerMethodField
Made = type[serializers.ModelSerializer[Any]]


def with_field(name: str, field: Any, **methods: Any) -> Made:
    """`OrderSerializer` with one field more."""
    meta = type("Meta", (of_orders.OrderSerializer.Meta,), {"fields": [*of_orders.OrderSerializer.Meta.fields, name]})
    return type("OrderSerializer", (of_orders.OrderSerializer,), {"Meta": meta, name: field, **methods})


# --- Methods that say nothing of what they read


def a_method_that_filters_a_relation() -> Made:
    def get_ships_to(self: Any, order: Order) -> str:
        address = order.placed_by.addresses.filter(active=True).first()
        return address.city if address else ""

    return with_field("ships_to", METHOD(), get_ships_to=get_ships_to)


def a_method_that_counts() -> Made:
    def get_changes(self: Any, order: Order) -> int:
        return order.events.count()

    return with_field("changes", METHOD(), get_changes=get_changes)


def a_method_that_loops() -> Made:
    def get_kinds(self: Any, order: Order) -> list[str]:
        return [event.kind for event in order.events.all()]

    return with_field("kinds", METHOD(), get_kinds=get_kinds)


def a_method_that_looks_something_up() -> Made:
    def get_owner(self: Any, order: Order) -> str:
        return Company.objects.get(pk=order.company_id).slug

    return with_field("owner", METHOD(), get_owner=get_owner)


def a_property() -> Made:
    User.offices_seen = property(lambda user: user.memberships.count())  # type: ignore[attr-defined]
    return with_field("seen", serializers.IntegerField(source="placed_by.offices_seen", read_only=True))


# --- What says too little


def a_method_that_needs_more_columns_than_it_says() -> Made:
    @needs("status")
    def get_state(self: Any, order: Order) -> str:
        return f"{order.status} {order.request_digest}"

    return with_field("state", METHOD(), get_state=get_state)


def a_method_that_needs_a_relation_and_says_a_column() -> Made:
    @needs("status")
    def get_state(self: Any, order: Order) -> str:
        return f"{order.status} {order.company.slug}"

    return with_field("state", METHOD(), get_state=get_state)


def a_method_that_filters_what_it_says() -> Made:
    @needs("events.kind")
    def get_placed(self: Any, order: Order) -> bool:
        return order.events.filter(kind="placed").exists()

    return with_field("placed", METHOD(), get_placed=get_placed)


# --- Serializers and fields


def a_nested_serializers_method() -> Made:
    class OfficeSerializer(OfficeBriefSerializer):
        people = METHOD()

        class Meta(OfficeBriefSerializer.Meta):
            fields = ["id", "name", "people"]

        def get_people(self, office: Any) -> int:
            return office.memberships.count()

    return with_field("office", OfficeSerializer(read_only=True))


def a_method_of_each_line() -> Made:
    class LineSerializer(of_orders.OrderLineSerializer):
        stock = METHOD()

        class Meta(of_orders.OrderLineSerializer.Meta):
            fields = ["sku", "stock"]

        def get_stock(self, line: OrderLine) -> bool:
            return Product.objects.filter(sku=line.sku).exists()

    return with_field("lines", LineSerializer(many=True, read_only=True))


def a_to_representation() -> Made:
    class OrderSerializer(of_orders.OrderSerializer):
        def to_representation(self, order: Order) -> Any:
            return super().to_representation(order) | {"changes": order.events.count(), "key": order.idempotency_key}

    return OrderSerializer


def a_field_of_its_own() -> Made:
    class ChangesField(serializers.Field[Any, Any, Any, Any]):
        def get_attribute(self, order: Any) -> Any:
            return order

        def to_representation(self, order: Order) -> int:
            return order.events.count()

    return with_field("changes", ChangesField(read_only=True))


def a_list_serializer_that_filters() -> Made:
    class Placed(serializers.ListSerializer[Any]):
        def to_representation(self, events: Any) -> Any:
            return super().to_representation(events.filter(kind="placed"))

    class EventSerializer(of_orders.OrderEventSerializer):
        class Meta(of_orders.OrderEventSerializer.Meta):
            fields = ["id", "kind"]
            list_serializer_class = Placed

    return with_field("events", EventSerializer(many=True, read_only=True))


def an_expansion() -> Made:
    class EventSerializer(of_orders.OrderEventSerializer):
        by = METHOD()

        class Meta(of_orders.OrderEventSerializer.Meta):
            fields = ["id", "by"]

        def get_by(self, event: Any) -> int:
            return event.actor.memberships.count()

    class OrderSerializer(of_orders.OrderSerializer):
        class Meta(of_orders.OrderSerializer.Meta):
            expandable = {"events": lambda: EventSerializer(many=True, read_only=True)}

    return OrderSerializer


# --- What costs a query or two more, however many rows


def a_method_that_reads_its_own_row() -> Made:
    def get_label(self: Any, order: Order) -> str:
        return f"{order.number} {order.request_digest}"

    return with_field("label", METHOD(), get_label=get_label)


def texts_of_a_relation() -> Made:
    return with_field("addresses", serializers.StringRelatedField(source="placed_by.addresses", many=True))


def keys_of_a_relation() -> Made:
    return with_field(
        "addresses", serializers.PrimaryKeyRelatedField(source="placed_by.addresses", many=True, read_only=True)
    )


LOOPS = [
    a_method_that_filters_a_relation,
    a_method_that_counts,
    a_method_that_loops,
    a_method_that_looks_something_up,
    a_property,
    a_method_that_needs_more_columns_than_it_says,
    a_method_that_needs_a_relation_and_says_a_column,
    a_method_that_filters_what_it_says,
    a_nested_serializers_method,
    a_method_of_each_line,
    a_to_representation,
    a_field_of_its_own,
    a_list_serializer_that_filters,
]
NO_LOOPS = [a_method_that_reads_its_own_row, texts_of_a_relation, keys_of_a_relation]
SOME = [
    a_method_that_filters_a_relation,
    a_method_that_needs_more_columns_than_it_says,
    a_method_of_each_line,
]


def each(ways: list[Callable[[], Made]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("way", ways, ids=lambda way: way.__name__)


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, client_of: Any) -> Callable[[Made, str], None]:
    """`ask(serializer, url)`: it is answered with three orders, of three people at three offices."""

    def asking(made: Made, url: str) -> None:
        for view in (OrderViewSet, OrderExportViewSet):
            monkeypatch.setattr(view, "serializer_class", made)
        company = factories.company()
        orders = [
            factories.order(factories.office(company), factories.member(company), lines=number) for number in (1, 2, 3)
        ]
        response = client_of(orders[0].placed_by).get(url.format(orders[-1].pk))
        body = b"".join(response) if response.streaming else response.content
        assert response.status_code == 200, body

    return asking


@pytest.mark.django_db
@each([*LOOPS, *NO_LOOPS])
def test_list(ask: Any, way: Any) -> None:
    ask(way(), "/api/orders")


@pytest.mark.django_db(transaction=True)
@each(SOME)
def test_committed_list(ask: Any, way: Any) -> None:
    ask(way(), "/api/orders")


@pytest.mark.django_db
@each(SOME)
def test_detail(ask: Any, way: Any) -> None:
    ask(way(), "/api/orders/{}")


@pytest.mark.django_db
@each(SOME)
def test_export(ask: Any, way: Any) -> None:
    ask(way(), "/api/orders/export")


@pytest.mark.django_db(transaction=True)
@each(SOME[:2])
def test_committed_export(ask: Any, way: Any) -> None:
    ask(way(), "/api/orders/export?format=csv")


@pytest.mark.django_db
@each([an_expansion])
def test_expanded(ask: Any, way: Any) -> None:
    ask(way(), "/api/orders?expand=events")
