"""Demo data looks like somebody's."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import Max, Min

from businesses.models import Address, Office
from orders import demo
from orders.models import Order, OrderEvent, OrderLine, Product
from orders.states import Status

POSTCODES = {  # how they begin in each city
    "Berlin": r"1[0-4]\d{3}", "Hamburg": r"2[0-2]\d{3}", "München": r"8[01]\d{3}", "Wien": r"1[0-2]\d0",
    "Zürich": r"80\d\d", "Paris": r"750\d\d", "Lyon": r"6900\d", "Madrid": r"280\d\d", "Łódź": r"9[0-4]-\d{3}",
    "København": r"[12]\d{3}", "Utrecht": r"35\d\d [A-Z]{2}", "Gent": r"90\d\d",
}  # fmt: skip
COUNTRIES = {
    "DE": {"Berlin", "Hamburg", "München"}, "AT": {"Wien"}, "CH": {"Zürich"}, "FR": {"Paris", "Lyon"}, "ES": {"Madrid"},
    "PL": {"Łódź"}, "DK": {"København"}, "NL": {"Utrecht"}, "BE": {"Gent"},
}  # fmt: skip


@pytest.fixture
def filled(db: None) -> None:
    demo.fill(demo.Size(companies=1, offices=350, users=20, orders=800))


def test_the_newest_orders_are_of_today_and_none_is_of_tomorrow(filled: None) -> None:
    newest = Order.objects.order_by("-placed_at").first()
    assert newest is not None
    assert timedelta(0) <= datetime.now(UTC) - newest.placed_at < timedelta(minutes=5)
    moments = [Order.objects.aggregate(at=Max("updated_at"))["at"], OrderEvent.objects.aggregate(at=Max("at"))["at"]]
    assert max(moments) <= datetime.now(UTC)
    oldest = Order.objects.aggregate(at=Min("placed_at"))["at"]
    assert timedelta(days=700) < newest.placed_at - oldest < timedelta(days=731)


def test_what_was_ordered_a_moment_ago_is_not_fulfilled(filled: None) -> None:
    newest = Order.objects.filter(placed_at__gt=datetime.now(UTC) - timedelta(days=1))
    assert newest
    assert Status.FULFILLED not in {order.status for order in newest}
    assert Order.objects.filter(status=Status.FULFILLED).count() > 400


def test_an_event_is_not_before_its_order(filled: None) -> None:
    for event in OrderEvent.objects.select_related("order"):
        assert event.order.placed_at <= event.at <= event.order.updated_at


def test_postcode_country_and_city_belong_together(filled: None) -> None:
    places = set(Office.objects.values_list("city", "postcode", "country"))
    places |= set(Address.objects.values_list("city", "postcode", "country"))
    places |= set(Order.objects.values_list("ship_city", "ship_postcode", "ship_country"))
    assert {city for city, _, _ in places} == POSTCODES.keys()
    for city, postcode, country in places:
        assert re.fullmatch(POSTCODES[city], postcode), (city, postcode)
        assert city in COUNTRIES[country], (city, country)


def test_a_price_belongs_to_its_product(filled: None) -> None:
    def prices(thing: str) -> list[float]:
        return [float(product.unit_price) for product in Product.objects.filter(name__startswith=thing)]

    assert max(prices("Notebook")) < min(prices("Desk lamp")) < max(prices("Desk lamp")) < min(prices("Office chair"))
    charged = dict(Product.objects.values_list("sku", "unit_price"))
    assert all(charged[line.sku] == line.unit_price for line in OrderLine.objects.all())


def test_the_same_seed_and_end_make_the_same_orders(filled: None) -> None:
    size = {"companies": 1, "offices": 350, "users": 2, "orders": 5, "end": datetime(2026, 1, 1, tzinfo=UTC)}
    first, again, other = (
        list(demo.orders(demo.Size(**size, seed=seed), demo.random.Random(seed), CATALOGUE, PEOPLE))  # type: ignore[arg-type]
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


CATALOGUE = list(demo.products(demo.random.Random(1)))
PEOPLE = list(demo.members(demo.Size(companies=1, offices=350, users=2)))
