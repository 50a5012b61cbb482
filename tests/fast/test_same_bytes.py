"""What PostgreSQL writes is what the serializers would have written, byte for byte, whatever the rows hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, TypeVar

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rest_framework.test import APIClient

from api.seam import ordinary
from businesses.models import Address, Company, Membership, Office, Role, User
from orders.models import Order, OrderEvent, OrderLine
from orders.states import Status
from orders.summary import GROUPS
from querybudget.requests import unmeasured
from tests import factories

pytestmark = pytest.mark.django_db

T = TypeVar("T")

UNUSUAL = ['"', "\\", "'", "%s", "%", "\x01", "\x010:[1]\x02", "\x7f", "\u2028\u2029", "é", "𝄞", "\t\r\n", "</script>"]
NUMBERS = [Decimal("0.00"), Decimal("-0.01"), Decimal("0.10"), Decimal("1E+3"), Decimal("999999999999999999.99")]
MOMENTS = [
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, microsecond=500, tzinfo=UTC),
    datetime.max.replace(tzinfo=UTC),
]
CHECKS = [
    ("orders_order", "order_total_is_not_negative"),
    ("orders_orderline", "line_amounts_are_not_negative"),
    ("orders_product", "product_price_is_not_negative"),
]


def texts(most: int) -> st.SearchStrategy[str]:
    some = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
    return st.one_of(st.sampled_from(UNUSUAL), st.text(some, max_size=12), st.just("")).map(lambda text: text[:most])


def decimals(digits: int) -> st.SearchStrategy[Decimal]:
    most = Decimal(10) ** (digits - 2) - Decimal("0.01")
    usual = st.decimals(-most, most, places=2)
    return st.one_of(usual, st.sampled_from([number for number in NUMBERS if number <= most]))


moments = st.one_of(
    st.sampled_from(MOMENTS),
    st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1)).map(lambda moment: moment.replace(tzinfo=UTC)),
    st.datetimes(datetime(2000, 1, 1), datetime(2001, 1, 1)).map(lambda each: each.replace(microsecond=0, tzinfo=UTC)),
)
plain_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.floats(-1e6, 1e6), texts(20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts(8), inner, max_size=3)),
    max_leaves=6,
)
lines = st.fixed_dictionaries(
    {"sku": texts(40), "name": texts(200), "quantity": st.integers(1, 2**31 - 1), "unit_price": decimals(12),
     "total": decimals(18)}
)  # fmt: skip
orders = st.fixed_dictionaries(
    {"currency": texts(3), "total": decimals(20), "placed_at": moments, "updated_at": moments,
     "status": st.sampled_from(Status.values), "ship_street": texts(200), "ship_city": texts(100),
     "ship_postcode": texts(20), "ship_country": texts(2)}
)  # fmt: skip
people = st.fixed_dictionaries({"first_name": texts(150), "last_name": texts(150)})
addresses = st.fixed_dictionaries(
    {"street": texts(200), "city": texts(100), "postcode": texts(20), "country": texts(2)}
)
worlds = st.fixed_dictionaries(
    {
        "company": st.fixed_dictionaries({"name": texts(200)}),
        "offices": st.lists(
            st.fixed_dictionaries({"name": texts(200), "city": texts(100), "street": texts(200)}),
            min_size=1,
            max_size=3,
        ),
        "people": st.lists(st.tuples(people, st.none() | addresses), min_size=1, max_size=3),
        "orders": st.lists(
            st.tuples(orders, st.lists(lines, max_size=3), st.dictionaries(texts(8), plain_json, max_size=3)),
            max_size=4,
        ),
        "products": st.lists(
            st.fixed_dictionaries(
                {"name": texts(200), "unit_price": decimals(12), "currency": texts(3), "active": st.booleans()}
            ),
            max_size=2,
        ),
        "roles": st.dictionaries(st.none() | st.integers(0, 2), st.sampled_from(Role.values), min_size=1, max_size=3),
    }
)

FIELDS = ["id", "number", "status", "allowed_transitions", "total", "date", "placed_at", "version", "company",
          "office.city", "placed_by.name", "placed_by", "address", "address.active", "ship_to.street", "lines",
          "lines.sku,lines.total"]  # fmt: skip
EXPAND = ["company", "office", "placed_by", "events"]
FILTERS = ["status=placed&status=approved", "company={company}", "office={office}", "placed_by={person}",
           "date_after=1950-01-01", "date_before=2050-01-01", "placed_after=2000-01-01T00:00:00Z",
           "placed_before=2000-12-01T00:00:00.000001Z", "since_version=1", "search=2025", "search=%25"]  # fmt: skip


def some(of: list[str], most: int) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(of), unique=True, max_size=most)


@st.composite
def queries(draw: Callable[[Any], Any]) -> str:
    """What lists and exports take."""
    fields, expand = ",".join(draw(some(FIELDS, 4))), ",".join(draw(some(EXPAND, 3)))
    parts = draw(some(FILTERS, 2))
    parts += [f"fields={fields}"] if fields else []
    parts += [f"expand={expand}"] if expand else []
    if not any(part.startswith("since_version") for part in parts):
        parts += draw(some(["ordering=placed_at", "ordering=-number"], 1))
    return "&".join(parts)


REST = ["/api/companies", "/api/companies/{company}", "/api/offices", "/api/offices?expand=company", "/api/products",
        "/api/offices/{office}?fields=name,company.name", "/api/products?active=true&search=SKU", "/api/addresses",
        "/api/addresses?ordering=-id", "/api/me", "/api/orders/{order}/events",
        "/api/orders/{order}/events?expand=actor&ordering=-id", "/api/companies?search=a"]  # fmt: skip
requests = st.one_of(
    queries().map("/api/orders?{}".format),
    queries().map("/api/orders?limit=2&{}".format),
    queries().map("/api/orders/export?{}".format),
    queries().map("/api/orders/export?format=csv&{}".format),
    some(FIELDS, 3).map(lambda fields: "/api/orders/{order}" + (f"?fields={','.join(fields)}" if fields else "")),
    some(EXPAND, 4).map(lambda names: "/api/orders/{order}" + (f"?expand={','.join(names)}" if names else "")),
    st.tuples(st.sampled_from(list(GROUPS)), some(FILTERS, 2)).map(
        lambda asked: "/api/orders/summary?" + "&".join([f"group_by={asked[0]}", *asked[1]])
    ),
    st.sampled_from(REST),
)


@pytest.fixture
def unchecked(db: None) -> None:
    """Amounts may be negative here."""
    with connection.cursor() as cursor:
        for table, name in CHECKS:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


@given(world=worlds, asked=st.lists(requests, min_size=8, max_size=12))
@settings(max_examples=40, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
def test_both_ways_write_the_same_bytes(
    unchecked: None, client_of: Any, world: dict[str, Any], asked: list[str]
) -> None:
    with transaction.atomic():
        places, reader = build(world)
        client = client_of(reader)
        for url in asked:
            url = url.format(**places)
            assert read(client, url) == by_serializers(client, url), url
        transaction.set_rollback(True)


def test_writes_are_answered_with_the_same_bytes(as_owner: APIClient, office: Office) -> None:
    lines = [{"sku": factories.product(name=name).sku, "quantity": 2} for name in UNUSUAL]

    def place() -> Any:
        return as_owner.post(
            "/api/orders?expand=events", {"office": office.pk, "lines": lines}, headers={"Idempotency-Key": "k"}
        )

    placed, again = place(), rendered(place)
    assert (placed.status_code, placed.content) == (again.status_code, again.content)
    url, version = f"/api/orders/{placed.json()['id']}", placed.json()["version"]
    edited = as_owner.patch(url, {"version": version, "lines": lines[:1]})
    assert (edited.status_code, edited.content) == (200, rendered(lambda: as_owner.get(url)).content)
    moved = as_owner.post(f"{url}/transitions", {"version": version + 1, "to": "approved"})
    assert (moved.status_code, moved.content) == (200, rendered(lambda: as_owner.get(url)).content)


def build(world: dict[str, Any]) -> tuple[dict[str, int], User]:
    company: Company = factories.company(**world["company"])
    offices: list[Office] = [factories.office(company, **values) for values in world["offices"]]
    placers: list[User] = []
    for values, address in world["people"]:
        placers.append(factories.user(**values))
        if address is not None:
            factories.active_address(placers[-1], **address)
            Address.objects.create(user=placers[-1], active=False, **address)
    reader = placers[0]
    roles = {
        number if number is None else offices[number % len(offices)]: held for number, held in world["roles"].items()
    }
    for office, held in roles.items():
        Membership.objects.create(user=reader, company=company, office=office, role=held)
    for values in world["products"]:
        factories.product(**values)
    order = None
    for number, (values, lines, data) in enumerate(world["orders"]):
        order = factories.order(offices[number % len(offices)], placers[number % len(placers)], lines=0)
        Order.objects.filter(pk=order.pk).update(**values)
        OrderLine.objects.bulk_create(OrderLine(order=order, position=at, **line) for at, line in enumerate(lines))
        OrderEvent.objects.create(order=order, actor=reader, kind="edited", data=data, at=values["updated_at"])
    return {
        "company": company.pk,
        "office": offices[0].pk,
        "person": placers[-1].pk,
        "order": order.pk if order else 1,
    }, reader


def read(client: APIClient, url: str) -> tuple[int, str, str | None, bytes]:
    response: Any = client.get(url, headers={"X-Request-Id": "the-same-request"})
    body = b"".join(response) if response.streaming else response.content
    return response.status_code, response.headers.get("Content-Type"), response.headers.get("Link"), body


def by_serializers(client: APIClient, url: str) -> tuple[int, str, str | None, bytes]:
    return rendered(lambda: read(client, url))


def rendered(ask: Callable[[], T]) -> T:
    """What `ask` gets of the reference, which has budgets of its own."""
    with ordinary(), unmeasured():
        return ask()


# --- Methods that are said in SQL too


@pytest.mark.parametrize("everywhere", [None, *Role.values])
@pytest.mark.parametrize("here", [None, *Role.values])
def test_what_may_be_done_is_the_same_for_all_roles_together(
    client_of: Any, everywhere: str | None, here: str | None
) -> None:
    company = factories.company()
    offices, reader, other = [factories.office(company) for _ in range(2)], factories.user(), factories.user()
    for office, role in ((None, everywhere), (offices[0], here), (offices[1], Role.VIEWER)):
        if role:
            Membership.objects.create(user=reader, company=company, office=office, role=role)
    for office in offices:
        for placed_by in (reader, other):
            for status in Status.values:
                factories.order(office, placed_by, status=status, lines=0)
    client, url = client_of(reader), "/api/orders?fields=id,allowed_transitions"
    assert read(client, url) == by_serializers(client, url)


@pytest.mark.parametrize("blank", [chr(code) for code in range(0x3001) if chr(code).isspace()], ids=ascii)
def test_blanks_around_a_name_are_left_out_alike(client_of: Any, blank: str) -> None:
    reader = factories.member(factories.company(), first_name=f"{blank}Ada", last_name=blank)
    assert read(client_of(reader), "/api/me?fields=name") == by_serializers(client_of(reader), "/api/me?fields=name")
