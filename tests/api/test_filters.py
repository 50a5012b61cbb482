"""A repeated parameter is read as its column is; filters that do not fit their columns are refused."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import django_filters
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.db import models
from django.http import QueryDict
from django.test.utils import isolate_apps
from django.urls import path
from django_filters import rest_framework as rest_filters
from drf_spectacular.generators import SchemaGenerator

from api import checks, filters
from api.filters import RepeatedFilter
from businesses.models import Company, Membership, Office
from orders.models import Order, Product
from orders.views import OrderViewSet
from querybudget.requests import unmeasured
from tests import factories

with isolate_apps("api"):

    class Thing(models.Model):
        ref = models.UUIDField()
        weight = models.FloatField()
        at = models.TimeField()
        data = models.JSONField()
        blob = models.BinaryField()
        lasts = models.DurationField()
        count = models.PositiveSmallIntegerField()
        text = models.TextField()
        price = models.DecimalField(max_digits=6, decimal_places=2)

        class Meta:
            app_label = "api"

        def __str__(self) -> str:
            return self.text


def narrowed(queryset: Any, query: str, **declared: Any) -> Any:
    """A queryset that a filter set of these filters has narrowed by a query."""
    filterset: Any = type("AFilter", (rest_filters.FilterSet,), declared)(QueryDict(query), queryset)
    assert filterset.is_valid(), filterset.errors
    return filterset.qs


def refused(queryset: Any, query: str, **declared: Any) -> Any:
    filterset: Any = type("AFilter", (rest_filters.FilterSet,), declared)(QueryDict(query), queryset)
    assert not filterset.is_valid()
    return filterset.errors


@pytest.fixture
def products(db: None) -> list[Product]:
    return [
        factories.product(currency="EUR", unit_price=Decimal("1.50"), active=True),
        factories.product(currency="USD", unit_price=Decimal("2.00"), active=False),
        factories.product(currency="DKK", unit_price=Decimal("10.00"), active=True),
    ]


@pytest.mark.parametrize(
    ("column", "query", "found"),
    [
        ("currency", "x=EUR", [0]),
        ("currency", "x=EUR&x=USD", [0, 1]),
        ("currency", "x=E", []),
        ("currency", "x=EUR,USD", []),
        ("currency", "", [0, 1, 2]),
        ("unit_price", "x=1.50&x=10", [0, 2]),
        ("unit_price", "x=1.5", [0]),
        ("active", "x=true", [0, 2]),
        ("active", "x=true&x=false", [0, 1, 2]),
    ],
)
def test_a_column_of_its_own(products: list[Product], column: str, query: str, found: list[int]) -> None:
    rows = narrowed(Product.objects.order_by("pk"), query, x=RepeatedFilter(column))
    assert list(rows) == [products[at] for at in found]


def test_it_may_exclude(products: list[Product]) -> None:
    rows = narrowed(Product.objects.order_by("pk"), "x=EUR&x=USD", x=RepeatedFilter("currency", exclude=True))
    assert list(rows) == products[2:]


def test_a_filter_is_named_by_its_column(products: list[Product]) -> None:
    assert list(narrowed(Product.objects.all(), "currency=USD", currency=RepeatedFilter())) == products[1:2]


@pytest.mark.django_db
def test_dates_moments_and_keys() -> None:
    office, other = factories.office(city="Berlin"), factories.office(city="Oslo")
    first = factories.order(office, factories.user(), placed_at=datetime(2026, 1, 31, 23, 59, tzinfo=UTC))
    second = factories.order(other, factories.user(), placed_at=datetime(2026, 2, 1, 8, tzinfo=UTC))
    factories.order(other, factories.user(), placed_at=datetime(2026, 2, 2, 8, tzinfo=UTC))
    for column, values in {
        "date": ("2026-01-31", "2026-02-01"),
        "placed_at": ("2026-01-31T23:59:00Z", "2026-02-01T09:00:00%2B01:00"),
        "placed_at__date": ("2026-01-31", "2026-02-01"),
        "number": (first.number, second.number),
        "placed_by": (first.placed_by_id, second.placed_by_id),
        "placed_by_id": (first.placed_by_id, second.placed_by_id),
        "placed_by__username": (first.placed_by.username, second.placed_by.username),
        "pk": (first.pk, second.pk),
        "revision": (first.revision, second.revision),
    }.items():
        query = "&".join(f"x={value}" for value in values)
        rows = narrowed(Order.objects.order_by("pk"), query, x=RepeatedFilter(column))
        assert set(rows) >= {first, second}, column
        assert list(narrowed(Order.objects.filter(pk=first.pk), f"x={values[1]}", x=RepeatedFilter(column))) in (
            [],
            [first] if column == "revision" else [],
        )


@pytest.mark.django_db
def test_many_rows_behind_a_relation_show_a_row_once() -> None:
    company, member = factories.company(), factories.user()
    for _ in range(2):
        Membership.objects.create(user=member, company=company, office=factories.office(company), role="viewer")
    rows = narrowed(Company.objects.all(), "x=viewer&x=owner", x=RepeatedFilter("memberships__role"))
    assert list(rows) == [company]
    offices = "&".join(f"x={office.pk}" for office in Office.objects.all())
    assert list(narrowed(Company.objects.all(), offices, x=RepeatedFilter("offices"))) == [company]


@pytest.mark.parametrize(
    ("column", "given", "read"),
    [
        ("ref", str(UUID(int=7)), UUID(int=7)),
        ("weight", "1.5", 1.5),
        ("at", "08:30:00", time(8, 30)),
        ("count", "7", 7),
        ("count", "-7", -7),
        ("text", " as it is ", " as it is "),
        ("price", "-1.25", Decimal("-1.25")),
    ],
)
def test_other_kinds_of_columns_are_read(column: str, given: str, read: Any) -> None:
    filterset = type("AFilter", (rest_filters.FilterSet,), {"x": RepeatedFilter(column)})
    made: Any = filterset({"x": given}, Thing._default_manager.all())
    assert made.is_valid(), made.errors
    assert made.form.cleaned_data == {"x": [read]}


@pytest.mark.parametrize(
    ("column", "given"),
    [
        ("ref", "7"),
        ("weight", "nan"),
        ("weight", "much"),
        ("at", "25:00:00"),
        ("count", "1.5"),
        ("count", "1" * 20),
        ("count", "99999999999999999999"),
        ("text", "a%00b"),
        ("price", "NaN"),
        ("price", "1e5"),
        ("price", "1.234"),
        ("price", "12345.00"),
        ("price", "1_0"),
        ("price", "x"),
    ],
)
def test_what_a_column_can_not_be_is_refused(column: str, given: str) -> None:
    assert "x" in refused(Thing._default_manager.all(), f"x={given}", x=RepeatedFilter(column))


@pytest.mark.parametrize("made", [RepeatedFilter("text"), filters.RepeatedIdFilter("count")])
def test_too_many_values_are_refused(made: Any) -> None:
    assert "x" in refused(Thing._default_manager.all(), "&".join(["x=1"] * 1001), x=made)


def test_too_many_choices_are_refused() -> None:
    made = filters.RepeatedChoiceFilter("text", choices=[("1", "One")])
    assert "x" in refused(Thing._default_manager.all(), "&".join(["x=1"] * 1001), x=made)


@pytest.mark.parametrize("column", ["data", "blob", "lasts", "data__key", "nothing", "text__nothing"])
def test_a_column_that_has_no_plain_text_is_refused(column: str) -> None:
    filterset: Any = type("AFilter", (rest_filters.FilterSet,), {"x": RepeatedFilter(column)})
    with pytest.raises(ImproperlyConfigured, match=column.partition("__")[0]):
        assert filterset({"x": ["1"]}, Thing._default_manager.all()).qs


def test_a_method_reads_texts(products: list[Product]) -> None:
    seen = []

    def ask(filterset: Any, queryset: Any, name: str, value: list[str]) -> Any:
        seen.append(value)
        return queryset

    assert len(narrowed(Product.objects.all(), "x=a&x=b", x=RepeatedFilter(method="ask"), ask=ask)) == 3
    assert seen == [["a", "b"]]


# --- Over HTTP

DAY = datetime(2026, 1, 1, 12, tzinfo=UTC)


class SearchFilter(rest_filters.FilterSet):
    currency = RepeatedFilter("currency")
    total = RepeatedFilter("total")
    date = RepeatedFilter("date")
    office = RepeatedFilter("office")
    city = RepeatedFilter("office__city")
    kind = django_filters.MultipleChoiceFilter(field_name="status", choices=[("placed", "P"), ("approved", "A")])
    priced = django_filters.RangeFilter(field_name="total")


class SearchViewSet(OrderViewSet):
    filterset_class = SearchFilter


class Searching:
    urlpatterns = [path("orders", SearchViewSet.as_view({"get": "list"}))]


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("currency=EUR", 1),
        ("currency=EUR&currency=USD", 2),
        ("total=10&total=7.50", 2),
        ("date=2026-01-01", 2),
        ("office={office}", 2),
        ("city=Berlin&city=Oslo", 2),
        ("kind=placed&kind=approved", 2),
        ("priced_min=8&priced_max=20", 1),
    ],
)
@pytest.mark.parametrize("by", ["database", "serializers"])
def test_a_view_finds_its_rows(
    client_of: Any, settings: Any, request: pytest.FixtureRequest, query: str, found: int, by: str
) -> None:
    if by == "serializers":
        request.getfixturevalue("by_serializers")
    settings.ROOT_URLCONF = Searching
    office = factories.office(city="Berlin")
    factories.order(office, factories.user(), currency="EUR", total=Decimal("10.00"), placed_at=DAY)
    factories.order(office, factories.user(), currency="USD", total=Decimal("7.50"), status="approved", placed_at=DAY)
    client = client_of(factories.member(office))
    with unmeasured():
        assert len(client.get(f"/orders?{query.format(office=office.pk)}").json()["results"]) == found
        for wrong in ("total=x", "date=2026-01", "office=x", "kind=x", "priced_min=x", "priced=1", "currency="):
            assert client.get(f"/orders?{wrong}").status_code == 400


# --- The check


class MisfitFilter(rest_filters.FilterSet):
    data = RepeatedFilter("nothing")
    currency = filters.BooleanFilter("currency")
    placed_at = filters.DateFilter("placed_at")
    day = filters.DateFilter("placed_at", "date")
    later = filters.DateFilter("placed_at", "date__gte")
    ids = filters.RepeatedIdFilter("number")
    since = filters.VersionFilter("total", "gt")
    moment = filters.InstantFilter("date")
    start = filters.StartFilter("total")
    one_of = filters.RepeatedChoiceFilter("date", choices=[("a", "A")])
    by_method = filters.BooleanFilter(method="anything")

    def anything(self, queryset: Any, name: str, value: Any) -> Any:
        return queryset


class MisfitViewSet(OrderViewSet):
    filterset_class = MisfitFilter


class Misfitting:
    urlpatterns = [path("orders", MisfitViewSet.as_view({"get": "list"}))]


def test_filters_that_do_not_fit_their_columns_are_named(settings: Any) -> None:
    assert checks.filters(None) == []
    settings.ROOT_URLCONF = Misfitting
    said = {error.msg.partition(": ")[0]: error.msg for error in checks.filters(None)}
    names = ["currency", "data", "ids", "moment", "one_of", "placed_at", "since", "start"]
    assert sorted(said) == [f"MisfitFilter.{name} of MisfitViewSet" for name in names]
    assert said["MisfitFilter.currency of MisfitViewSet"].endswith(
        "BooleanFilter reads values of another kind than currency, which is a CharField."
    )


# --- The document


def test_the_document_says_what_one_value_is(settings: Any) -> None:
    settings.ROOT_URLCONF = Searching
    document: Any = SchemaGenerator().get_schema(request=None, public=True)
    parameters = {each["name"]: each["schema"] for each in document["paths"]["/orders"]["get"]["parameters"]}
    items = {name: parameters[name]["items"] for name in ("currency", "total", "date", "office", "city")}
    assert items == {
        "currency": {"type": "string"},
        "total": {"type": "string", "format": "decimal"},
        "date": {"type": "string", "format": "date"},
        "office": {"type": "integer"},
        "city": {"type": "string"},
    }
