"""Queries come from the serializer: each known trap of that idea, and the guard that holds the two together."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group
from django.contrib.contenttypes.fields import GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import connection, models
from django.test.utils import CaptureQueriesContext, isolate_apps
from rest_framework import serializers

from api import shaping
from api.selection import Selection
from api.shaping import QueryWhileRenderingError, UnplannedFieldError, needs, no_queries, plan_for, plan_of
from businesses.models import Company, Membership, Office, User
from businesses.serializers import CompanyBriefSerializer, OfficeBriefSerializer
from orders.models import Order, OrderLine
from orders.serializers import OrderSerializer
from orders.views import OrderViewSet
from querybudget import watch
from querybudget.requests import unmeasured
from tests import factories

pytestmark = pytest.mark.django_db


def serializer_of(model_: type[models.Model], *names: str, **declared: Any) -> type[serializers.ModelSerializer[Any]]:
    """A serializer class for `model_` with these fields; keywords declare fields and methods."""
    meta = type("Meta", (), {"model": model_, "fields": list(names)})
    return type("MadeSerializer", (serializers.ModelSerializer,), {"Meta": meta, **declared})


def rendered(made: type[serializers.ModelSerializer[Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """All rows as the serializer shows them through its plan under the guard, and the SQL that fetched them."""
    plan = plan_of(made())
    with CaptureQueriesContext(connection) as captured:
        rows = list(plan.shape(plan.model._default_manager.order_by("pk")))
        with no_queries():
            data = [dict(row) for row in made(rows, many=True).data]
    return data, [query["sql"] for query in captured]


@pytest.fixture
def order() -> Order:
    office = factories.office()
    return factories.order(office, factories.member(office))


# --- To-one


def test_a_foreign_key_shown_as_its_key_needs_no_join(order: Order) -> None:
    data, (sql,) = rendered(serializer_of(Order, "id", "company"))
    assert data == [{"id": order.pk, "company": order.company_id}]
    assert "JOIN" not in sql


def test_a_key_by_its_attribute_name_needs_no_join(order: Order) -> None:
    made = serializer_of(Order, "company_id", company_id=serializers.IntegerField())
    data, (sql,) = rendered(made)
    assert data == [{"company_id": order.company_id}]
    assert "JOIN" not in sql


def test_a_nested_object_is_joined(order: Order) -> None:
    data, (sql,) = rendered(serializer_of(Order, "office", office=OfficeBriefSerializer()))
    assert data[0]["office"]["name"] == order.office.name
    assert sql.count("JOIN") == 1


def test_a_dotted_source_is_joined_all_the_way(order: Order) -> None:
    made = serializer_of(Order, "client", client=serializers.CharField(source="office.company.name"))
    data, (sql,) = rendered(made)
    assert data == [{"client": order.company.name}]
    assert sql.count("JOIN") == 2


def test_a_dotted_source_that_ends_in_a_key_stops_joining_there(order: Order) -> None:
    made = serializer_of(
        Order, "client", client=serializers.PrimaryKeyRelatedField(source="office.company", read_only=True)
    )
    data, (sql,) = rendered(made)
    assert data == [{"client": order.company_id}]
    assert sql.count("JOIN") == 1


def test_a_slug_of_a_relation_is_joined(order: Order) -> None:
    made = serializer_of(Order, "company", company=serializers.SlugRelatedField("slug", read_only=True))
    data, (sql,) = rendered(made)
    assert data == [{"company": order.company.slug}]
    assert sql.count("JOIN") == 1


def test_a_to_one_that_is_null_is_none() -> None:
    member = factories.member(factories.company())
    data, (sql,) = rendered(serializer_of(Membership, "user", "office", office=OfficeBriefSerializer(allow_null=True)))
    assert data == [{"user": member.pk, "office": None}]
    assert "LEFT OUTER JOIN" in sql


def test_a_relation_without_a_column_is_joined_for_its_key() -> None:
    member = factories.member(factories.company())
    made = serializer_of(
        User, "address", address=serializers.PrimaryKeyRelatedField(source="active_address.user", read_only=True)
    )
    assert rendered(made)[0] == [{"address": member.pk}]


def test_a_declared_need_of_a_relation_without_a_column_is_joined() -> None:
    factories.member(factories.company())

    @needs("active_address")
    def get_reachable(self: Any, user: User) -> bool:
        return user.active_address is not None

    made = serializer_of(User, "reachable", reachable=serializers.SerializerMethodField(), get_reachable=get_reachable)
    assert rendered(made)[0] == [{"reachable": True}]


# --- To-many


def test_a_reverse_foreign_key_is_one_query_with_its_back_key(order: Order) -> None:
    factories.order(order.office, order.placed_by, lines=5)
    line = serializer_of(OrderLine, "sku")
    data, sqls = rendered(serializer_of(Order, "lines", lines=line(many=True)))
    assert [len(row["lines"]) for row in data] == [2, 5]
    assert len(sqls) == 2
    assert '"orders_orderline"."order_id"' in sqls[1].split("FROM")[0]


def test_a_many_to_many_is_one_query() -> None:
    for number in range(3):
        factories.user().groups.add(Group.objects.create(name=f"group {number}"))
    group = serializer_of(Group, "name")
    data, sqls = rendered(serializer_of(User, "groups", groups=group(many=True)))
    assert [row["groups"] for row in data] == [[{"name": f"group {number}"}] for number in range(3)]
    assert len(sqls) == 2


def test_keys_of_a_many_to_many_are_one_query_of_keys() -> None:
    group = Group.objects.create(name="group")
    factories.user().groups.add(group)
    data, sqls = rendered(serializer_of(User, "groups"))
    assert data == [{"groups": [group.pk]}]
    assert '"auth_group"."name"' not in sqls[1].split("FROM")[0]


def test_slugs_of_a_collection_are_fetched(order: Order) -> None:
    made = serializer_of(Order, "lines", lines=serializers.SlugRelatedField("sku", many=True, read_only=True))
    data, sqls = rendered(made)
    assert data == [{"lines": ["SKU-1", "SKU-2"]}]
    assert len(sqls) == 2


@isolate_apps("businesses")
def test_a_generic_relation_is_one_query_with_both_of_its_keys() -> None:
    class Logged(models.Model):  # noqa: DJ008
        name = models.CharField(max_length=200)
        log = GenericRelation(LogEntry, object_id_field="object_id", content_type_field="content_type")

        class Meta:
            managed = False
            app_label = "businesses"
            db_table = "businesses_company"

    kind = ContentType.objects.get_for_model(Logged)
    for company in (factories.company(), factories.company()):
        LogEntry.objects.create(
            user=factories.user(),
            content_type=kind,
            object_id=str(company.pk),
            action_flag=CHANGE,
            object_repr=company.slug,
        )
    entry = serializer_of(LogEntry, "object_repr")
    data, sqls = rendered(serializer_of(Logged, "log", log=entry(many=True)))
    ContentType.objects.clear_cache()
    assert [len(row["log"]) for row in data] == [1, 1]
    assert len(sqls) == 2


def test_a_collection_behind_a_to_one_is_one_query(order: Order) -> None:
    made = serializer_of(Order, "offices", offices=OfficeBriefSerializer(many=True, source="company.offices"))
    data, sqls = rendered(made)
    assert data == [{"offices": [{"id": order.office_id, "name": order.office.name, "city": order.office.city}]}]
    assert len(sqls) == 2


def test_a_to_one_inside_a_collection_is_joined_there() -> None:
    company = factories.company()
    for _ in range(3):
        factories.office(company)
    office = serializer_of(Office, "company", company=CompanyBriefSerializer())
    data, sqls = rendered(serializer_of(Company, "offices", offices=office(many=True)))
    assert {row["company"]["id"] for row in data[0]["offices"]} == {company.pk}
    assert len(sqls) == 2


def test_a_filter_on_a_prefetched_relation_is_caught(order: Order) -> None:
    @needs("lines.sku")
    def get_first(self: Any, order: Order) -> int:
        return order.lines.filter(position=1).count()

    made = serializer_of(Order, "first", first=serializers.SerializerMethodField(), get_first=get_first)
    with pytest.raises(QueryWhileRenderingError):
        rendered(made)


# --- What can't be seen is declared


def test_a_method_field_reads_what_it_declares(order: Order) -> None:
    @needs("placed_by.name", "lines.total")
    def get_text(self: Any, order: Order) -> str:
        return f"{order.placed_by.name} {sum(line.total for line in order.lines.all())}"

    made = serializer_of(Order, "text", text=serializers.SerializerMethodField(), get_text=get_text)
    data, sqls = rendered(made)
    assert data == [{"text": f"{order.placed_by.name} 10.00"}]
    assert len(sqls) == 2


def number_of(self: Any, order: Order) -> str:
    return order.number


def test_a_method_field_that_declares_nothing_gets_the_whole_row(order: Order) -> None:
    made = serializer_of(Order, "text", text=serializers.SerializerMethodField(), get_text=number_of)
    data, (sql,) = rendered(made)
    assert data == [{"text": order.number}]
    assert '"orders_order"."request_digest"' in sql
    (line,) = plan_of(made()).unplanned
    assert line == 'MadeSerializer.text reads what can\'t be seen; declare it: @needs("column", "relation.x")'


def test_a_whole_row_is_that_of_where_the_method_is(order: Order) -> None:
    office = serializer_of(
        Office, "text", text=serializers.SerializerMethodField(), get_text=lambda self, office: office.street
    )
    data, (sql,) = rendered(serializer_of(Order, "office", office=office()))
    assert data == [{"office": {"text": order.office.street}}]
    assert '"orders_order"."request_digest"' not in sql


def test_what_a_method_field_that_declares_nothing_asks_for_is_left_to_who_watches(order: Order) -> None:
    made = serializer_of(
        Order, "text", text=serializers.SerializerMethodField(), get_text=lambda self, order: order.lines.count()
    )
    with pytest.raises(QueryWhileRenderingError):
        rendered(made)
    with watch() as seen:
        assert rendered(made)[0] == [{"text": 2}]
    assert [finding.path for finding in seen.findings] == ["MadeSerializer.get_text"]


def test_a_method_field_that_reads_more_than_it_declares_is_caught(order: Order) -> None:
    made = serializer_of(
        Order,
        "text",
        text=serializers.SerializerMethodField(),
        get_text=needs("status")(lambda self, order: order.number),
    )
    with pytest.raises(QueryWhileRenderingError):
        rendered(made)


def test_a_property_reads_what_it_declares(order: Order) -> None:
    made = serializer_of(Order, "buyer", buyer=serializers.CharField(source="placed_by.name"))
    data, (sql,) = rendered(made)
    assert data == [{"buyer": order.placed_by.name}]
    assert '"last_name"' in sql
    assert '"email"' not in sql


def test_a_property_that_declares_nothing_gets_the_whole_row() -> None:
    factories.user()
    made = serializer_of(User, "anonymous", anonymous=serializers.BooleanField(source="is_anonymous"))
    assert rendered(made)[0] == [{"anonymous": False}]
    assert plan_of(made()).unplanned[0].startswith("MadeSerializer.anonymous (User.is_anonymous) reads")


@pytest.mark.parametrize(("name", "shown"), [("company", "Company"), ("lines", ["2 × SKU-1", "2 × SKU-2"])])
def test_a_relation_shown_as_text_is_fetched_with_whole_rows(order: Order, name: str, shown: Any) -> None:
    made = serializer_of(Order, name, **{name: serializers.StringRelatedField(many=name == "lines")})
    data, sqls = rendered(made)
    assert data[0][name] == (order.company.name if name == "company" else shown)
    assert len(sqls) == (1 if name == "company" else 2)
    assert plan_of(made()).unplanned


def test_an_annotation_is_read_as_a_field(order: Order) -> None:
    made = serializer_of(Order, "pieces", pieces=serializers.IntegerField(read_only=True))
    rows = list(plan_of(made()).shape(Order.objects.annotate(pieces=models.Sum("lines__quantity"))))
    with no_queries():
        assert [dict(row) for row in made(rows, many=True).data] == [{"pieces": 4}]


@pytest.mark.parametrize("way", ["to_representation", "get_attribute", "list"])
def test_what_renders_in_a_way_of_its_own_gets_whole_rows(order: Order, way: str) -> None:
    def to_representation(self: Any, order: Any) -> Any:
        return {"key": order.idempotency_key}

    class Whole(serializers.Field[Any, Any, Any, Any]):
        def get_attribute(self, instance: Any) -> Any:
            return instance

        def to_representation(self, value: Any) -> Any:
            return value.idempotency_key

    class Backwards(serializers.ListSerializer[Any]):
        def to_representation(self, data: Any) -> Any:
            return [line.quantity for line in reversed(data.all())]

    line = serializer_of(OrderLine, "sku")
    line.Meta.list_serializer_class = Backwards
    made = {
        "to_representation": lambda: serializer_of(Order, "id", to_representation=to_representation),
        "get_attribute": lambda: serializer_of(Order, "key", key=Whole(read_only=True)),
        "list": lambda: serializer_of(Order, "lines", lines=line(many=True)),
    }[way]()
    assert rendered(made)[0] == [{"lines": [2, 2]} if way == "list" else {"key": None}]
    assert len(plan_of(made()).unplanned) == 1


def test_what_renders_in_a_way_of_its_own_may_declare_it(order: Order) -> None:
    @needs("status")
    def to_representation(self: Any, order: Any) -> Any:
        return {"status": order.status}

    plan = plan_of(serializer_of(Order, "id", to_representation=to_representation)())
    assert (plan.columns, plan.unplanned) == (("id", "status"), ())


@pytest.mark.parametrize("url", ["/api/orders", "/api/orders/{}", "/api/orders/export"])
def test_a_field_that_can_not_be_seen_is_refused_everywhere_where_the_guard_raises(
    settings: Any, client_of: Any, order: Order, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    meta = type("Meta", (), {"model": Order, "fields": ["text"]})
    made = type(
        "OrderSerializer",
        (serializers.ModelSerializer,),
        {"Meta": meta, "text": serializers.SerializerMethodField(), "get_text": number_of},
    )
    monkeypatch.setattr(OrderViewSet, "serializer_class", made)
    settings.SHAPING_GUARD = "raise"
    with (
        unmeasured(),
        pytest.raises(UnplannedFieldError, match=r"OrderSerializer\.text reads what can't be seen; decl"),
    ):
        client_of(order.placed_by).get(url.format(order.pk))


def test_a_serializer_of_the_whole_object_reads_its_columns(order: Order) -> None:
    place = serializer_of(Order, "ship_city")
    data, (sql,) = rendered(serializer_of(Order, "ship_to", ship_to=place(source="*")))
    assert data == [{"ship_to": {"ship_city": order.ship_city}}]
    assert '"ship_street"' not in sql


def test_a_field_of_the_whole_object_that_declares_nothing_gets_the_whole_row() -> None:
    made = serializer_of(Order, "all", all=serializers.JSONField(source="*", read_only=True))
    assert "request_digest" in plan_of(made()).columns


def test_a_field_that_is_only_written_is_not_read(order: Order) -> None:
    made = serializer_of(Order, "id", "number", number=serializers.CharField(write_only=True))
    assert '"number"' not in rendered(made)[1][0]


# --- Ordering


@pytest.mark.parametrize("url", ["/api/orders?fields=id", "/api/companies?fields=id", "/api/products?fields=name"])
def test_columns_that_order_a_page_are_fetched_though_not_shown(client_of: Any, order: Order, url: str) -> None:
    factories.order(order.office, order.placed_by)
    factories.product()
    factories.product()
    with CaptureQueriesContext(connection) as captured:
        response = client_of(order.placed_by).get(f"{url}&limit=1")
    assert response.status_code == 200
    assert len([query for query in captured if "LIMIT 2" in query["sql"]]) == 1


def test_columns_that_order_a_collection_are_fetched_though_not_shown() -> None:
    assert "position" in dict(plan_for(OrderSerializer, Selection(fields=("lines.sku",))).collections)["lines"].columns


# --- The guard


def test_a_query_while_rendering_raises() -> None:
    with pytest.raises(QueryWhileRenderingError, match="businesses_company"), no_queries():
        Company.objects.count()


def test_a_query_while_rendering_is_answered_and_logged_where_the_guard_reports(
    settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.SHAPING_GUARD = "report"
    with caplog.at_level(logging.ERROR, "api.shaping"), no_queries():
        assert Company.objects.count() == 0
    assert "businesses_company" in caplog.text


def test_queries_are_allowed_again_after_rendering() -> None:
    with no_queries():
        pass
    assert Company.objects.count() == 0


# --- Memoisation


def test_a_plan_is_derived_once(monkeypatch: pytest.MonkeyPatch) -> None:
    derived: list[shaping.Plan] = []

    def counted(*given: Any) -> shaping.Plan:
        derived.append(plan_of(*given))
        return derived[-1]

    monkeypatch.setattr(shaping, "plan_of", counted)
    plan_for.cache_clear()
    for _ in range(3):
        plan_for(OrderSerializer, Selection(), ("placed_at", "id"))
    assert len(derived) == 1


def test_another_selection_has_a_plan_of_its_own() -> None:
    assert plan_for(OrderSerializer, Selection(fields=("id",))) != plan_for(OrderSerializer, Selection())
