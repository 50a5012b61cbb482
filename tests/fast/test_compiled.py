"""Which serializers PostgreSQL can write for, what it says of the others, and how texts are made once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import include, path
from rest_framework import serializers

from api.selection import Selection
from api.shaping import needs
from businesses.models import Company, Membership, Office
from fast.checks import rendered
from fast.compiled import compiled, compiled_for, statement
from fast.pages import narrowings
from fast.statements import ANY
from fast.walk import UncompilableError
from orders.export import CHUNK
from orders.models import Order, OrderLine
from orders.serializers import OrderSerializer
from orders.views import OrderViewSet
from querybudget.requests import unmeasured
from tests import factories


def of(model: Any, names: list[str], **fields: Any) -> serializers.ModelSerializer[Any]:
    """A serializer of these fields of the model, the ones given among them."""
    meta = type("Meta", (), {"model": model, "fields": names})
    return type("ASerializer", (serializers.ModelSerializer,), {"Meta": meta, **fields})()


class Own(serializers.CharField):
    def to_representation(self, value: Any) -> str:
        return "own"


class OwnReading(serializers.CharField):
    def get_attribute(self, instance: Any) -> Any:
        return "own"


@needs("total")
def get_twice(serializer: Any, order: Order) -> str:
    return str(order.total * 2)


@needs("office.name")
def get_office_name(serializer: Any, order: Order) -> str:
    return order.office.name


class LineSerializer(serializers.ModelSerializer[OrderLine]):
    class Meta:
        model = OrderLine
        fields = ["sku"]

    def to_representation(self, instance: Any) -> Any:
        return "own"


class OfficeSerializer(serializers.ModelSerializer[Office]):
    class Meta:
        model = Office
        fields = ["city"]


METHOD = serializers.SerializerMethodField


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: of(Order, ["number"], number=Own()), ""),  # Python fills it in
        (lambda: of(Order, ["number"], number=OwnReading()), "number: OwnReading reads in a way of its own"),
        (lambda: of(Order, ["total"], total=Own()), ""),
        (lambda: of(Order, ["twice"], twice=METHOD(), get_twice=get_twice), ""),
        (lambda: of(Order, ["name"], name=METHOD("get_name"), get_name=get_office_name), ""),
        (lambda: of(Order, ["lines"], lines=LineSerializer(many=True)), "LineSerializer has a to_representation of"),
        (
            lambda: of(Company, ["offices"], offices=OfficeSerializer(many=True)),
            "offices: rows of Office have no order",
        ),
        (
            lambda: of(Membership, ["city"], city=serializers.CharField(source="office.city")),
            "city: without office DRF leaves the field out",
        ),
        (lambda: of(Order, ["placed_at"], placed_at=serializers.DateTimeField(format="%Y")), ""),
        (lambda: of(Order, ["total"], total=serializers.DecimalField(20, 1)), ""),
    ],
)
def test_what_can_not_be_said_in_sql_says_so(make: Callable[[], Any], reason: str) -> None:
    if not reason:
        assert compiled(make()).gaps
        return
    with pytest.raises(UncompilableError, match=reason):
        compiled(make())


def test_the_orders_leave_no_gaps() -> None:
    found = compiled_for(OrderSerializer, Selection())
    assert not isinstance(found, str)
    assert found.gaps == ()


@pytest.mark.django_db
def test_the_database_writes_every_endpoint() -> None:
    assert rendered(None) == []


class OwnOrderSerializer(OrderSerializer):
    number = OwnReading()


class OwnOrderViewSet(OrderViewSet):
    serializer_class = OwnOrderSerializer


class Elsewhere:
    urlpatterns = [path("own/", include([path("orders", OwnOrderViewSet.as_view({"get": "list"}))]))]


@pytest.mark.django_db
def test_a_serializer_that_can_not_be_compiled_renders_itself(settings: Any, client_of: Any) -> None:
    settings.ROOT_URLCONF = Elsewhere
    order = factories.order(factories.office(), factories.user(), lines=1)
    reader = factories.member(order.company)
    with unmeasured():
        (shown,) = client_of(reader).get("/own/orders").json()["results"]
    assert shown["number"] == "own"
    assert any("OwnOrderViewSet is rendered by OwnOrderSerializer, as" in message.msg for message in rendered(None))


@pytest.mark.django_db
def test_texts_are_made_once_and_values_are_bound(client_of: Any) -> None:
    office = factories.office()
    reader = factories.member(office)
    factories.order(office, reader)
    client = client_of(reader)
    client.get("/api/orders?limit=7&status=placed")
    before, kept = statement.cache_info().misses, len(narrowings._values)
    with CaptureQueriesContext(connection) as captured:
        assert client.get("/api/orders?status=placed&limit=7").status_code == 200
    assert statement.cache_info().misses == before
    assert len(narrowings._values) == kept
    assert len(captured) == 2  # scope, orders with their lines
    assert captured[1]["sql"].endswith("LIMIT 8")


@pytest.mark.django_db
def test_other_rights_and_other_filters_are_other_conditions(client_of: Any) -> None:
    one, other = factories.office(), factories.office()
    for office in (one, other):
        factories.order(office, factories.user())
        factories.order(office, factories.user(), status="approved")
    seen = {
        (office.pk, status): [
            (row["office"]["id"], row["status"])
            for row in client_of(factories.member(office)).get(f"/api/orders?status={status}").json()["results"]
        ]
        for office in (one, other)
        for status in ("placed", "approved")
    }
    assert seen == {place: [place] for place in seen}


@pytest.mark.django_db
@pytest.mark.parametrize("key", [2**63, 10**30])
def test_a_key_beyond_all_keys_is_none(client_of: Any, key: int) -> None:
    client = client_of(factories.member(factories.company()))
    with CaptureQueriesContext(connection) as captured:
        assert client.get(f"/api/orders/{key}").status_code == 404
    assert len(captured) == 1  # scope


@pytest.mark.django_db
def test_one_is_found_by_its_key_however_old_the_statistics_are(client_of: Any) -> None:
    """Of a company that had one order when they were taken, PostgreSQL thinks that it may as well read all."""
    office, other = factories.office(), factories.office()
    factories.copies(factories.order(other, factories.member(other)), 500)
    order, reader = factories.order(office, factories.member(office)), factories.member(office)
    client = client_of(reader)
    with connection.cursor() as cursor, CaptureQueriesContext(connection) as captured:
        cursor.execute("ANALYZE")
        assert client.get(f"/api/orders/{order.pk}").status_code == 200
        cursor.execute(f"EXPLAIN {captured[-1]['sql']}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert re.search(r"Index Scan (using|on) orders_order_pkey", plan), plan


@pytest.mark.django_db
def test_a_filter_over_a_join_becomes_a_subquery(client_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    office = factories.office(name="Kiel")
    other = factories.office(office.company, name="Bonn")
    reader = factories.member(office.company)
    for each in (office, other):
        factories.order(each, reader)
    monkeypatch.setattr(OrderViewSet, "visible", lambda view: Order.objects.filter(office__name="Kiel"))
    answered = client_of(reader).get("/api/orders?fields=number")  # which joins nothing by itself
    assert len(answered.json()["results"]) == 1


def test_an_indented_answer_is_rendered(db: None, client_of: Any) -> None:
    client = client_of(factories.member(factories.company()))
    assert b'\n  "next": null' in client.get("/api/orders", headers={"Accept": "application/json; indent=2"}).content


@pytest.mark.django_db
def test_gaps_over_equal_columns_do_not_answer_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, change in (("loud", str.upper), ("quiet", str.lower)):
        reader = needs("name")(lambda office, change=change: change(office.name))
        monkeypatch.setattr(Office, name, property(reader), raising=False)
    fields: dict[str, Any] = {name: serializers.CharField(read_only=True) for name in ("loud", "quiet")}
    found, office = compiled(of(Office, list(fields), **fields)), factories.office(name="Kiel")
    for _ in range(2):
        written = found.one(ANY, found.given({}), office.pk)
        assert written is not None
        assert found.filler({})([written]) == [b'{"loud":"KIEL","quiet":"kiel"}']


@pytest.mark.django_db
def test_an_export_is_one_query(client_of: Any) -> None:
    office, person = factories.office(), factories.user()
    factories.copies(factories.order(office, person, lines=1), 2 * CHUNK + 1)
    client = client_of(factories.member(office.company))
    with CaptureQueriesContext(connection) as captured:
        assert len(client.get("/api/orders/export").getvalue().splitlines()) == 2 * CHUNK + 2
    assert len([each for each in captured if "SELECT" in each["sql"]]) == 2  # scope, orders with their lines
