"""Keyset pages: complete in both directions, answered by the index, with cursors that can't be made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import signing
from django.db import connection
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.test import APIRequestFactory

from api import keyset
from api.keyset import Cursor, Order, RowComparison, binding, decode, encode, page
from businesses.models import Company
from orders import models
from tests import factories

BY_NAME = Order(("name", "id"))
NEWEST = Order(("placed_at", "id"), descending=True)
MOMENT = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)


def every_page(order: Order, limit: int, *, backwards: bool = False) -> list[list[str]]:
    """The names on every page of companies, from one end to the other."""
    cursor = Cursor(("", 0), backwards=True) if backwards else None
    if backwards:
        end = Company.objects.order_by(*order.terms(Company)).last()
        assert end is not None
        cursor = Cursor(keyset.values_of(end, order), backwards=True)
    pages = []
    while True:
        found = page(Company.objects.all(), order, cursor, limit)
        pages.append([row.name for row in found.rows])
        cursor = found.previous if backwards else found.next
        if cursor is None:
            return pages


# --- Pages


@pytest.mark.django_db
@pytest.mark.parametrize("descending", [False, True])
def test_pages_hold_every_row_once_though_all_sort_equal(descending: bool) -> None:
    for _ in range(25):
        factories.company(name="Same")
    keys, cursor = [], None
    while True:
        found = page(Company.objects.all(), Order(("name", "id"), descending=descending), cursor, 4)
        keys += [row.pk for row in found.rows]
        cursor = found.next
        if cursor is None:
            break
    assert keys == sorted(keys, reverse=descending)
    assert len(set(keys)) == 25


@pytest.mark.django_db
def test_pages_backwards_are_in_reading_order() -> None:
    for name in "abcde":
        factories.company(name=name)
    assert every_page(BY_NAME, 2) == [["a", "b"], ["c", "d"], ["e"]]
    assert every_page(BY_NAME, 2, backwards=True) == [["c", "d"], ["a", "b"]]


@pytest.mark.django_db
def test_the_first_page_has_no_previous_and_the_last_no_next() -> None:
    factories.company()
    found = page(Company.objects.all(), BY_NAME, None, 1)
    assert (found.next, found.previous) == (None, None)


@pytest.mark.django_db
def test_an_empty_page_has_neither() -> None:
    assert page(Company.objects.all(), BY_NAME, Cursor(("z", 1)), 10) == keyset.Page([], None, None)


@pytest.mark.django_db
def test_a_page_is_one_query(django_assert_num_queries: Any) -> None:
    for _ in range(3):
        factories.company()
    with django_assert_num_queries(1):
        page(Company.objects.all(), BY_NAME, None, 2)


@pytest.mark.django_db
@pytest.mark.parametrize("operator", ["<", ">"])
def test_a_page_starts_in_the_index(operator: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_bitmapscan = off")
        cursor.execute("SET LOCAL enable_sort = off")  # of a handful of rows it costs nothing
    behind = RowComparison(NEWEST.columns, operator, (MOMENT, 7))
    # Of all orders: which of several fitting indexes the planner takes for some of them depends on its statistics.
    plan = models.Order.objects.filter(behind).order_by("-placed_at", "-id")[:51].explain()
    (condition,) = [line for line in plan.splitlines() if "Index Cond" in line]
    assert f"ROW(placed_at, id) {operator} ROW(" in condition
    assert "Filter" not in plan
    assert "Sort" not in plan


@pytest.mark.django_db
def test_rows_a_microsecond_apart_are_told_apart() -> None:
    office = factories.office()
    member = factories.member(office)
    early = factories.order(office, member, placed_at=MOMENT)
    late = factories.order(office, member, placed_at=MOMENT + timedelta(microseconds=1))
    cursor = decode(encode(Cursor((late.placed_at, late.pk)), "x"), "x", models.Order, NEWEST)
    assert page(models.Order.objects.all(), NEWEST, cursor, 5).rows == [early]


# --- Cursors


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    ("model", "order", "values"),
    [
        (models.Order, NEWEST, (MOMENT, 2**63 - 1)),
        (Company, BY_NAME, ("Ærø ✓ 🧁 \"'\\,", 1)),
        (Company, BY_NAME, ("🧁" * 200, 1)),
        (Company, BY_NAME, ("", 1)),
    ],
)
def test_a_cursor_comes_back_as_it_was(model: Any, order: Order, values: Any, backwards: bool) -> None:
    cursor = Cursor(values, backwards)
    assert decode(encode(cursor, "bound"), "bound", model, order) == cursor


@pytest.mark.django_db
def test_the_next_page_behind_the_longest_name_can_be_asked_for(client_of: Any) -> None:
    office = factories.office(name="🧁" * 200)
    factories.office(office.company, name="🧁" * 200)
    client = client_of(factories.member(office.company))
    following = client.get("/api/offices?limit=1").json()["next"]
    assert client.get(following).status_code == 200


@pytest.mark.parametrize(
    "text", ["", "x", "a:b", "é", "\x00", ":" * 50, "x" * 5000, encode(Cursor(("a", 1)), "b")[:-1]]
)
def test_a_garbled_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValidationError) as refused:
        decode(text, "b", Company, BY_NAME)
    assert "cursor" in refused.value.detail


def test_a_cursor_of_another_query_is_refused() -> None:
    with pytest.raises(ValidationError, match="another query"):
        decode(encode(Cursor(("a", 1)), "one"), "two", Company, BY_NAME)


@pytest.mark.parametrize("values", [["a"], ["a", 1, 2], ["a", "b"], ["a", None, 1]])
def test_a_cursor_of_another_order_is_refused(values: list[Any]) -> None:
    text = signing.Signer(salt=keyset.SALT).sign_object(["b", False, values])
    with pytest.raises(ValidationError):
        decode(text, "b", Company, BY_NAME)


def bound(query: str, audience: str = "owners", path: str = "/api/orders") -> str:
    return binding(Request(APIRequestFactory().get(f"{path}?{query}")), audience)


@pytest.mark.parametrize("query", ["limit=9", "cursor=x", "fields=id", "expand=company", "format=json"])
def test_a_cursor_survives_what_does_not_choose_rows(query: str) -> None:
    assert bound(f"status=placed&{query}") == bound("status=placed")


def test_a_cursor_survives_another_order_of_parameters() -> None:
    assert bound("status=placed&office=1&office=2") == bound("office=2&office=1&status=placed")


@pytest.mark.parametrize("query", ["", "status=approved", "status=placed&office=1", "status=placed&ordering=placed_at"])
def test_a_cursor_is_bound_to_what_chooses_or_orders_rows(query: str) -> None:
    assert bound(query) != bound("status=placed")


def test_a_cursor_is_bound_to_who_may_see_the_rows() -> None:
    assert bound("", audience="owners") != bound("", audience="viewers")


def test_a_cursor_is_bound_to_its_path() -> None:
    assert bound("") != bound("", path="/api/products")
