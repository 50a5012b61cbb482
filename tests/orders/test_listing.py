"""GET /api/orders: its parameters row by row, and an order's shape."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from rest_framework.test import APIClient

from businesses.models import Address, Company, Office, Role, User
from orders.models import Order
from orders.states import Status
from tests import factories
from tests.orders.expecting import ids, problem, results

pytestmark = pytest.mark.django_db

DAY = datetime(2026, 3, 10, tzinfo=UTC)
LAST_MOMENT = DAY + timedelta(days=1, microseconds=-1)


# --- Shape


def test_an_order_in_full(as_owner: APIClient, company: Company, owner: User) -> None:
    office = factories.office(company, name="Harbour", city="Bremen")
    order = factories.order(office, owner, lines=1, number="2026-00000042", placed_at=DAY)
    address = owner.addresses.get()
    assert results(as_owner.get("/api/orders")) == [
        {
            "id": order.pk,
            "number": "2026-00000042",
            "status": "placed",
            "allowed_transitions": ["approved", "cancelled"],
            "currency": "EUR",
            "total": "5.00",
            "date": "2026-03-10",
            "placed_at": "2026-03-10T00:00:00Z",
            "updated_at": "2026-03-10T00:00:00Z",
            "version": order.revision,
            "company": {"id": company.pk, "name": company.name},
            "office": {"id": office.pk, "name": "Harbour", "city": "Bremen"},
            "placed_by": {"id": owner.pk, "name": f"Ada {owner.last_name}"},
            "address": {
                "id": address.pk,
                "street": "Parkvej 7",
                "city": "København",
                "postcode": "2100",
                "country": "DK",
                "active": True,
            },
            "ship_to": {"street": "Parkvej 7", "city": "København", "postcode": "2100", "country": "DK"},
            "lines": [
                {
                    "position": 1,
                    "sku": "SKU-1",
                    "name": "Thing 1",
                    "quantity": 2,
                    "unit_price": "2.50",
                    "total": "5.00",
                }
            ],
        }
    ]


def test_the_detail_is_what_the_list_shows(as_owner: APIClient, office: Office, owner: User) -> None:
    order = factories.order(office, owner)
    assert as_owner.get(f"/api/orders/{order.pk}").json() == results(as_owner.get("/api/orders"))[0]


def test_large_amounts_keep_their_cents(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.order(office, owner, total=Decimal("123456789012345678.99"))
    assert results(as_owner.get("/api/orders"))[0]["total"] == "123456789012345678.99"


def test_the_address_is_todays_and_ship_to_the_one_of_then(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.order(office, owner)
    owner.addresses.update(active=False)
    moved = factories.active_address(owner, street="Nygade 1")
    row = results(as_owner.get("/api/orders"))[0]
    assert (row["address"]["id"], row["ship_to"]["street"]) == (moved.pk, "Parkvej 7")


def test_without_an_active_address_it_is_null(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.order(office, owner)
    Address.objects.update(active=False)
    assert results(as_owner.get("/api/orders"))[0]["address"] is None


def test_lines_come_in_their_order(as_owner: APIClient, office: Office, owner: User) -> None:
    order = factories.order(office, owner, lines=0)
    for position in (3, 1, 2):
        order.lines.create(position=position, sku="S", name="S", quantity=1, unit_price=1, total=1)
    assert [line["position"] for line in results(as_owner.get("/api/orders"))[0]["lines"]] == [1, 2, 3]


@pytest.mark.parametrize(
    ("role", "status", "own", "steps"),
    [
        (Role.VIEWER, Status.PLACED, True, []),
        (Role.BUYER, Status.PLACED, False, []),
        (Role.BUYER, Status.PLACED, True, ["cancelled"]),
        (Role.BUYER, Status.APPROVED, True, []),
        (Role.APPROVER, Status.PLACED, False, ["approved", "cancelled"]),
        (Role.APPROVER, Status.APPROVED, False, ["fulfilled", "cancelled"]),
        (Role.OWNER, Status.FULFILLED, True, []),
        (Role.OWNER, Status.CANCELLED, True, []),
    ],
)
def test_allowed_transitions_are_the_readers(
    client_of: Any, office: Office, owner: User, role: Role, status: Status, own: bool, steps: list[str]
) -> None:
    reader = factories.member(office.company, role)
    factories.order(office, reader if own else owner, status=status)
    assert results(client_of(reader).get("/api/orders"))[0]["allowed_transitions"] == steps


# --- Filters


def test_without_parameters_the_newest_come_first(as_owner: APIClient, office: Office, owner: User) -> None:
    old, new, middle = (factories.order(office, owner, placed_at=DAY + timedelta(days=day)).pk for day in (0, 2, 1))
    assert ids(as_owner.get("/api/orders")) == [new, middle, old]


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("status", lambda order: order.status),
        ("company", lambda order: order.company_id),
        ("office", lambda order: order.office_id),
        ("placed_by", lambda order: order.placed_by_id),
    ],
)
def test_a_repeated_parameter_matches_any_of_its_values(
    client_of: Any, parameter: str, value: Callable[[Order], Any]
) -> None:
    reader = factories.user()
    orders = []
    for status in (Status.PLACED, Status.APPROVED, Status.CANCELLED):
        office = factories.office()
        reader.memberships.create(company=office.company, role=Role.OWNER)
        orders.append(factories.order(office, factories.member(office), status=status))
    client = client_of(reader)
    one = client.get("/api/orders", {parameter: value(orders[0])})
    assert ids(one) == [orders[0].pk]
    two = client.get("/api/orders", {parameter: [value(orders[0]), value(orders[2])]})
    assert set(ids(two)) == {orders[0].pk, orders[2].pk}


def test_different_parameters_all_have_to_match(as_owner: APIClient, office: Office, owner: User) -> None:
    both = factories.order(office, owner, status=Status.APPROVED)
    factories.order(office, owner)
    factories.order(factories.office(office.company), owner, status=Status.APPROVED)
    assert ids(as_owner.get("/api/orders", {"office": str(office.pk), "status": "approved"})) == [both.pk]


@pytest.mark.parametrize("path", ["/api/orders", "/api/orders/summary?group_by=office"])
def test_one_call_takes_a_thousand_offices(as_owner: APIClient, office: Office, owner: User, path: str) -> None:
    factories.order(office, owner)
    offices = "&".join(f"office={number}" for number in [*range(10**12, 10**12 + 999), office.pk])
    assert len(results(as_owner.get(f"{path}{'&' if '?' in path else '?'}{offices}"))) == 1


@pytest.mark.parametrize("of", ["company", "office"])
def test_naming_what_is_not_yours_finds_nothing(as_owner: APIClient, of: str) -> None:
    elsewhere = factories.office()
    order = factories.order(elsewhere, factories.member(elsewhere))
    assert ids(as_owner.get("/api/orders", {of: getattr(order, f"{of}_id")})) == []


@pytest.mark.parametrize(
    ("query", "days"),
    [
        ({"date_after": "2026-03-10"}, [10, 11]),
        ({"date_before": "2026-03-10"}, [9, 10]),
        ({"date_after": "2026-03-10", "date_before": "2026-03-10"}, [10]),
        ({"date_after": "2026-03-11", "date_before": "2026-03-09"}, []),
        ({"date_after": "0001-01-01", "date_before": "9999-12-31"}, [9, 10, 11]),
        ({"date_after": "9999-12-31"}, []),
        ({"date_before": "0001-01-01"}, []),
    ],
)
def test_dates_are_utc_days_and_both_bounds_count(
    as_owner: APIClient, office: Office, owner: User, query: dict[str, str], days: list[int]
) -> None:
    for moment in (DAY - timedelta(microseconds=1), DAY, LAST_MOMENT, DAY + timedelta(days=1)):
        factories.order(office, owner, placed_at=moment)
    found = {int(row["date"][-2:]) for row in results(as_owner.get("/api/orders", query))}
    assert found == set(days)


def test_a_day_holds_its_first_and_last_moment(as_owner: APIClient, office: Office, owner: User) -> None:
    inside = [factories.order(office, owner, placed_at=moment).pk for moment in (DAY, LAST_MOMENT)]
    day = {"date_after": "2026-03-10", "date_before": "2026-03-10"}
    assert ids(as_owner.get("/api/orders", day)) == inside[::-1]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"placed_after": "2026-03-10T00:00:00Z"}, [0, 1]),
        ({"placed_after": "2026-03-10T00:00:00.000001Z"}, [1]),
        ({"placed_before": "2026-03-10T00:00:00Z"}, [-1, 0]),
        ({"placed_before": "2026-03-09T23:59:59.999999Z"}, [-1]),
        ({"placed_after": "2026-03-10T02:00:00+02:00", "placed_before": "2026-03-10T02:00:00+02:00"}, [0]),
        ({"placed_after": "9999-12-31T23:59:59Z"}, []),
        ({"placed_before": "0001-01-01T00:00:00Z"}, []),
    ],
)
def test_moments_are_inclusive_bounds(
    as_owner: APIClient, office: Office, owner: User, query: dict[str, str], expected: list[int]
) -> None:
    orders = {
        factories.order(office, owner, placed_at=DAY + timedelta(seconds=second)).pk: second for second in (-1, 0, 1)
    }
    assert sorted(orders[pk] for pk in ids(as_owner.get("/api/orders", query))) == expected


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("2026-0001", ["2026-00010", "2026-00011"]),
        ("2026-00011", ["2026-00011"]),
        ("2026", ["2026-00010", "2026-00011", "2026-00020"]),
        ("00011", []),
        ("%", []),
        ("2026%11", []),
        ("2026_", []),
        ("100%", ["100%_sure"]),
        ("100%_", ["100%_sure"]),
        ("back\\", ["back\\slash"]),
        (" ", []),
        (" 2026", []),
    ],
)
def test_search_is_a_literal_prefix_of_the_number(
    as_owner: APIClient, office: Office, owner: User, prefix: str, found: list[str]
) -> None:
    for number in ("2026-00010", "2026-00011", "2026-00020", "100%_sure", "back\\slash"):
        factories.order(office, owner, number=number)
    assert sorted(row["number"] for row in results(as_owner.get("/api/orders", {"search": prefix}))) == found


# --- since_version


def test_since_version_gives_later_changes_in_their_order(as_owner: APIClient, office: Office, owner: User) -> None:
    first = factories.order(office, owner, placed_at=DAY)
    newest, oldest = (factories.order(office, owner, placed_at=DAY + timedelta(days=day)) for day in (1, -1))
    changes = as_owner.get("/api/orders", {"since_version": first.revision})
    assert ids(changes) == [newest.pk, oldest.pk]


def test_since_version_0_gives_everything(as_owner: APIClient, office: Office, owner: User) -> None:
    orders = [factories.order(office, owner).pk for _ in range(3)]
    assert ids(as_owner.get("/api/orders", {"since_version": 0})) == orders


def test_since_version_needs_one_company(client_of: Any, office: Office, owner: User) -> None:
    other = factories.office()
    owner.memberships.create(company=other.company, role=Role.OWNER)
    order = factories.order(office, owner)
    factories.order(other, owner)
    client = client_of(owner)
    problem(client.get("/api/orders?since_version=0"), 400, "since_version")
    both = {"since_version": 0, "company": [office.company_id, other.company_id]}
    problem(client.get("/api/orders", both), 400, "since_version")
    assert ids(client.get("/api/orders", {"since_version": 0, "company": office.company_id})) == [order.pk]


def test_since_version_has_its_own_ordering(as_owner: APIClient, owner: User) -> None:
    problem(as_owner.get("/api/orders?since_version=0&ordering=placed_at"), 400, "ordering")


# --- Ordering and pages


@pytest.mark.parametrize(("ordering", "expected"), [("placed_at", [0, 1, 2]), ("-placed_at", [2, 1, 0])])
def test_ordering(as_owner: APIClient, office: Office, owner: User, ordering: str, expected: list[int]) -> None:
    orders = [factories.order(office, owner, placed_at=DAY + timedelta(days=day)).pk for day in range(3)]
    assert ids(as_owner.get("/api/orders", {"ordering": ordering})) == [orders[index] for index in expected]


@pytest.mark.parametrize(("query", "rows"), [("", 50), ("?limit=1", 1), ("?limit=200", 200)])
def test_limit_is_50_and_at_most_200(as_owner: APIClient, office: Office, owner: User, query: str, rows: int) -> None:
    factories.copies(factories.order(office, owner), 200)
    assert len(results(as_owner.get(f"/api/orders{query}"))) == rows


def test_a_page_has_links_and_results_and_no_count(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.order(office, owner)
    response = as_owner.get("/api/orders")
    assert response.json().keys() == {"next", "previous", "results"}
    assert (response.json()["next"], response.json()["previous"]) == (None, None)
    assert "Link" not in response.headers


def test_the_link_header_says_what_the_body_says(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner), 2)
    first = as_owner.get("/api/orders?limit=1")
    middle = as_owner.get(first.json()["next"])
    last = as_owner.get(middle.json()["next"])
    assert first.headers["Link"] == f'<{first.json()["next"]}>; rel="next"'
    assert middle.headers["Link"] == (
        f'<{middle.json()["next"]}>; rel="next", <{middle.json()["previous"]}>; rel="prev"'
    )
    assert last.headers["Link"] == f'<{last.json()["previous"]}>; rel="prev"'


def test_links_are_absolute_and_keep_the_parameters(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner, number="A&B=1"), 2, status=Status.APPROVED)
    query: dict[str, Any] = {"limit": 1, "status": ["placed", "approved"], "fields": "id,office.name"}
    page = as_owner.get("/api/orders", query).json()
    assert page["next"].startswith("http://testserver/api/orders?")
    following = as_owner.get(page["next"])
    assert following.wsgi_request.GET.getlist("status") == ["approved", "placed"]
    assert [set(row) for row in results(following)] == [{"id", "office"}]


# --- fields and expand


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ("number", {"number": "N-1"}),
        ("number, status", {"number": "N-1", "status": "placed"}),
        ("office.city", {"office": {"city": "Bremen"}}),
        ("office.city,office.name", {"office": {"city": "Bremen", "name": "Harbour"}}),
        ("lines.sku,lines.quantity", {"lines": [{"sku": "SKU-1", "quantity": 2}]}),
        ("ship_to.country,address.postcode", {"ship_to": {"country": "DK"}, "address": {"postcode": "2100"}}),
        ("number,number", {"number": "N-1"}),
    ],
)
def test_fields_keeps_only_what_it_names(
    as_owner: APIClient, company: Company, owner: User, fields: str, expected: dict[str, Any]
) -> None:
    factories.order(factories.office(company, name="Harbour", city="Bremen"), owner, lines=1, number="N-1")
    assert results(as_owner.get("/api/orders", {"fields": fields})) == [expected]


def test_a_whole_object_wins_over_a_part_of_it(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.order(office, owner)
    row = results(as_owner.get("/api/orders?fields=office,office.city"))[0]
    assert row == {"office": {"id": office.pk, "name": office.name, "city": "Berlin"}}


def test_expand_gives_full_objects(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.order(office, owner)
    row = results(as_owner.get("/api/orders?expand=company,office,placed_by,events"))[0]
    company = {"id": office.company_id, "name": office.company.name}
    assert row["company"] == {**company, "slug": office.company.slug, "version": office.company.revision}
    assert row["office"] == {
        "id": office.pk,
        "name": office.name,
        "street": "Lindenweg 1",
        "city": "Berlin",
        "postcode": "10115",
        "country": "DE",
        "company": company,
    }
    person = {"id": owner.pk, "name": owner.get_full_name()}
    assert row["placed_by"] == {**person, "username": owner.username, "email": ""}
    assert [(event["kind"], event["actor"]) for event in row["events"]] == [("placed", person)]


def test_expansions_nest(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.order(office, owner)
    query = "expand=events.actor,events,office.company,office&fields=events.actor.username,office.company.slug"
    row = results(as_owner.get(f"/api/orders?{query}"))[0]
    assert row == {
        "events": [{"actor": {"username": owner.username}}],
        "office": {"company": {"slug": office.company.slug}},
    }


def test_fields_and_expand_work_on_the_detail(as_owner: APIClient, office: Office, owner: User) -> None:
    order = factories.order(office, owner)
    row = as_owner.get(f"/api/orders/{order.pk}?expand=events&fields=number,events.kind").json()
    assert row == {"number": order.number, "events": [{"kind": "placed"}]}


# --- Headers


def test_a_list_is_private_and_varies_by_who_asks(as_owner: APIClient, owner: User) -> None:
    headers = as_owner.get("/api/orders").headers
    assert headers["Cache-Control"] == "private, no-cache"
    assert {"Accept", "Authorization"} <= {name.strip() for name in headers["Vary"].split(",")}
    assert headers["X-Request-Id"]
