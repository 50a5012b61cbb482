"""Keyset pages: every row exactly once, whichever way and whatever happens meanwhile."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from django.core import signing
from rest_framework.test import APIClient

from api import keyset
from businesses.models import Company, Office, Role, User
from orders.models import Order
from orders.states import Status
from tests import factories
from tests.orders.expecting import ids, problem

pytestmark = pytest.mark.django_db

MANY = 3000


def walk(client: APIClient, url: str | None, relation: str = "next") -> list[list[int]]:
    """The ids of each page from `url` on, following one relation to its end."""
    pages: list[list[int]] = []
    while url:
        response = client.get(url)
        pages.append(ids(response))
        url = response.json()[relation]
        assert len(pages) <= MANY, "the pages never end"
    return pages


def last_page(client: APIClient, url: str) -> str:
    while following := client.get(url).json()["next"]:
        url = following
    return url


def cursor_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["cursor"][0]


@pytest.fixture
def simultaneous(office: Office, owner: User) -> set[int]:
    """Ids of thousands of orders with one `placed_at` (and one version)."""
    first = factories.order(office, owner)
    factories.copies(first, MANY - 1)
    return set(Order.objects.values_list("pk", flat=True))


# --- Every row once


@pytest.mark.parametrize(
    "query", ["", "&ordering=placed_at", "&since_version=0", "&status=placed&date_after=2025-01-01"]
)
def test_forwards_and_back_every_row_comes_once(as_owner: APIClient, simultaneous: set[int], query: str) -> None:
    url = f"/api/orders?limit=199&fields=id{query}"
    forwards = walk(as_owner, url)
    rows = [row for page in forwards for row in page]
    assert len(rows) == len(simultaneous)
    assert set(rows) == simultaneous
    assert walk(as_owner, last_page(as_owner, url), "previous") == forwards[::-1]


def test_an_order_of_two_columns_is_total(as_owner: APIClient, office: Office, owner: User) -> None:
    first = factories.order(office, owner)
    for day in (3, 1, 2):
        factories.copies(first, 5, placed_at=factories.START + timedelta(days=day))
    pages = walk(as_owner, "/api/orders?limit=2&placed_after=2026-01-02T00:00:00Z")
    expected = Order.objects.filter(placed_at__gt=factories.START + timedelta(hours=13)).order_by("-placed_at", "-id")
    assert [row for page in pages for row in page] == [order.pk for order in expected]


def test_the_way_back_ends_at_the_first_page(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner), 3)
    first = as_owner.get("/api/orders?limit=2").json()
    again = as_owner.get(as_owner.get(first["next"]).json()["previous"]).json()
    assert again["results"] == first["results"]
    assert again["previous"] is None
    assert as_owner.get(again["next"]).json()["next"] is None


def test_a_full_last_page_has_no_next(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner), 3)
    assert [len(page) for page in walk(as_owner, "/api/orders?limit=2")] == [2, 2]


def test_no_rows_are_one_empty_page(as_owner: APIClient) -> None:
    assert as_owner.get("/api/orders").json() == {"next": None, "previous": None, "results": []}


def test_the_limit_may_change_on_the_way(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner), 5)
    everything = ids(as_owner.get("/api/orders"))
    following = as_owner.get("/api/orders?limit=1").json()["next"].replace("limit=1", "limit=3")
    assert ids(as_owner.get(following)) == everything[1:4]


def test_fields_may_change_on_the_way(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner), 1)
    following = as_owner.get("/api/orders?limit=1").json()["next"] + "&fields=id"
    assert [set(row) for row in as_owner.get(following).json()["results"]] == [{"id"}]


# --- While others write


def test_orders_placed_meanwhile_do_not_shift_the_pages(as_owner: APIClient, office: Office, owner: User) -> None:
    first = factories.order(office, owner)
    factories.copies(first, 9)
    before = ids(as_owner.get("/api/orders"))
    page = as_owner.get("/api/orders?limit=4").json()
    newer = factories.copies(first, 4, placed_at=first.placed_at + timedelta(seconds=1))
    rest = [row for page in walk(as_owner, page["next"]) for row in page]
    assert [row["id"] for row in page["results"]] + rest == before
    back = walk(as_owner, as_owner.get(page["next"]).json()["previous"], "previous")
    assert back == [before[:4], [order.pk for order in reversed(newer)]]


def test_orders_that_appear_further_on_come_once(as_owner: APIClient, office: Office, owner: User) -> None:
    first = factories.order(office, owner)
    factories.copies(first, 4)
    page = as_owner.get("/api/orders?limit=2").json()
    older = {order.pk for order in factories.copies(first, 3, placed_at=first.placed_at - timedelta(seconds=1))}
    rest = [row for page in walk(as_owner, page["next"]) for row in page]
    assert len(rest) == len(set(rest)) == 6
    assert older < set(rest)


def test_a_page_goes_on_behind_a_row_that_no_longer_matches(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner), 3)
    before = ids(as_owner.get("/api/orders?status=placed"))
    page = as_owner.get("/api/orders?status=placed&limit=2").json()
    Order.objects.filter(pk=before[1]).update(status=Status.CANCELLED)
    assert ids(as_owner.get(page["next"])) == before[2:]


# --- Cursors that are not for this request


@pytest.fixture
def following(as_owner: APIClient, office: Office, owner: User) -> str:
    """The URL of a second page."""
    factories.copies(factories.order(office, owner), 5)
    url: str = as_owner.get("/api/orders?limit=2").json()["next"]
    return url


@pytest.mark.parametrize(
    "garble",
    [
        lambda cursor: "x",
        lambda cursor: cursor[:-1],
        lambda cursor: cursor[1:],
        lambda cursor: cursor + "x",
        lambda cursor: cursor.swapcase(),
        lambda cursor: cursor.replace(":", ""),
        lambda cursor: ":",
        lambda cursor: "\x00",
        lambda cursor: "é:☃",
        lambda cursor: cursor * 50,
        lambda cursor: signing.Signer(key="another key", salt=keyset.SALT).sign_object(["", False, [1, 2]]),
        lambda cursor: signing.Signer(salt="another salt").sign_object(["", False, [1, 2]]),
        lambda cursor: signing.Signer(salt=keyset.SALT).sign("no object"),
    ],
)
def test_a_cursor_that_was_not_made_here_is_refused(as_owner: APIClient, following: str, garble: Any) -> None:
    query = urlencode({"cursor": garble(cursor_of(following))})
    problem(as_owner.get(f"/api/orders?{query}"), 400, "cursor")


@pytest.mark.parametrize(
    "query",
    [
        "status=placed",
        "date_after=2020-01-01",
        "search=2",
        "since_version=0",
        "ordering=placed_at",
        "ordering=-placed_at",
    ],
)
def test_a_cursor_keeps_to_its_filters_and_ordering(as_owner: APIClient, following: str, query: str) -> None:
    problem(as_owner.get(f"{following}&{query}"), 400, "cursor")


def test_a_cursor_keeps_to_each_value_of_a_filter(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner), 2)
    url = as_owner.get("/api/orders?limit=1&status=placed&status=approved").json()["next"]
    problem(as_owner.get(url.replace("&status=approved", "")), 400, "cursor")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.BUYER])
def test_a_cursor_keeps_to_the_rights_it_was_made_with(
    client_of: Any, company: Company, following: str, role: Role
) -> None:
    problem(client_of(factories.member(company, role)).get(following), 400, "cursor")


def test_who_may_see_the_same_may_follow_the_same_cursor(
    client_of: Any, as_owner: APIClient, company: Company, following: str
) -> None:
    assert client_of(factories.member(company)).get(following).json() == as_owner.get(following).json()


@pytest.mark.parametrize("path", ["/api/companies", "/api/offices", "/api/products", "/api/addresses"])
def test_a_cursor_keeps_to_its_endpoint(as_owner: APIClient, following: str, path: str) -> None:
    problem(as_owner.get(path, {"cursor": cursor_of(following)}), 400, "cursor")


def test_a_cursor_keeps_to_its_order_of_events(as_owner: APIClient, office: Office, owner: User) -> None:
    one, two = (factories.order(office, owner) for _ in range(2))
    one.events.create(actor=owner, kind="edited", at=one.placed_at)
    cursor = cursor_of(as_owner.get(f"/api/orders/{one.pk}/events?limit=1").json()["next"])
    problem(as_owner.get(f"/api/orders/{two.pk}/events", {"cursor": cursor}), 400, "cursor")
