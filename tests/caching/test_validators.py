"""Every GET of the API has an entity tag that changes with what it shows, and honours If-None-Match."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.urls import URLPattern, get_resolver

from businesses.models import Membership, Office, Role, User
from orders.models import Product
from querybudget import watch
from tests import factories

SEEN_BY_MEMBERSHIP = {"businesses_company", "businesses_user"}
QUERIES = {"orders/summary": "group_by=office"}


def reads() -> list[str]:
    """The route of each GET below /api that needs a token."""
    found = []
    for included in get_resolver().url_patterns:
        if str(included.pattern) == "api/" and hasattr(included, "url_patterns"):
            for pattern in included.url_patterns:
                assert isinstance(pattern, URLPattern)
                if "get" in getattr(pattern.callback, "actions", {}):
                    found.append(str(pattern.pattern))
    return found


@pytest.fixture
def url(office: Office, owner: User, product: Product) -> Any:
    order = factories.order(office, owner)
    keys = {
        "orders": order.pk,
        "products": product.pk,
        "companies": office.company_id,
        "offices": office.pk,
        "addresses": owner.addresses.get().pk,
    }

    def of(route: str) -> str:
        path = route.replace("<int:id>", str(keys.get(route.split("/")[0], "")))
        return f"/api/{path}?{QUERIES.get(route, '')}"

    return of


@pytest.mark.parametrize("route", reads())
def test_a_tag_that_still_holds_is_a_304_after_one_query(
    client_of: Any, owner: User, url: Any, queries: Any, route: str
) -> None:
    client = client_of(owner)
    first = client.get(url(route))
    again, count = queries(lambda: client.get(url(route), headers={"If-None-Match": first.headers["ETag"]}))
    assert (again.status_code, again.content, count) == (304, b"", 1)
    for name in ("ETag", "Vary", "Cache-Control"):
        assert again.headers[name] == first.headers[name]
    assert first.headers["Cache-Control"] == "private, no-cache"
    assert first.headers["Vary"] == "Accept, Authorization, Accept-Encoding"


@pytest.mark.parametrize("route", reads())
def test_memberships_and_rows_do_not_make_known_answers_dearer(
    client_of: Any, owner: User, office: Office, url: Any, route: str
) -> None:
    """Two of everything; the ledger holds each of the three answers to a budget of its own."""
    elsewhere = factories.office()
    Membership.objects.create(user=owner, company=elsewhere.company, office=elsewhere, role=Role.VIEWER)
    factories.order(factories.office(office.company), owner)
    factories.product()
    owner.addresses.create(street="a", city="b", postcode="c", country="DK", active=False)
    client = client_of(owner)
    cold, again = client.get(url(route)), client.get(url(route))
    if cold.headers["Cache-Status"] == "orders; fwd=miss":
        assert again.headers["Cache-Status"].startswith("orders; hit")
    assert client.get(url(route), headers={"If-None-Match": cold.headers["ETag"]}).status_code == 304


@pytest.mark.parametrize("store", ["redis"], indirect=True)
@pytest.mark.parametrize("route", reads())
def test_a_304_does_not_touch_redis(client_of: Any, owner: User, url: Any, commands: Any, route: str) -> None:
    client = client_of(owner)
    tag = client.get(url(route)).headers["ETag"]
    again, seen = commands(lambda: client.get(url(route), headers={"If-None-Match": tag}))
    assert (again.status_code, seen) == (304, [])


@pytest.mark.parametrize("route", reads())
@pytest.mark.parametrize("form", ["W/{tag}", '"other", {tag}'])
def test_any_form_of_if_none_match_is_understood(client_of: Any, owner: User, url: Any, route: str, form: str) -> None:
    client = client_of(owner)
    tag = client.get(url(route)).headers["ETag"]
    assert client.get(url(route), headers={"If-None-Match": form.format(tag=tag)}).status_code == 304
    assert client.get(url(route), headers={"If-None-Match": '"other"'}).status_code == 200


@pytest.mark.query_budget(None, reason="what a star holds for has to be looked for")
@pytest.mark.parametrize("route", reads())
def test_a_star_holds_for_what_there_is(client_of: Any, owner: User, url: Any, route: str) -> None:
    assert client_of(owner).get(url(route), headers={"If-None-Match": "*"}).status_code == 304


def test_a_compressed_answer_revalidates(client_of: Any, owner: User, url: Any) -> None:
    client = client_of(owner)
    packed = client.get("/api/orders", headers={"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert packed.headers["ETag"].startswith('W/"')
    headers = {"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]}
    assert client.get("/api/orders", headers=headers).status_code == 304


@pytest.mark.parametrize("other", ["?limit=1", "?fields=id", "?expand=office"])
def test_another_query_has_another_tag(client_of: Any, owner: User, url: Any, other: str) -> None:
    client = client_of(owner)
    assert client.get("/api/orders").headers["ETag"] != client.get(f"/api/orders{other}").headers["ETag"]


def test_inside_a_transaction_nothing_is_promised(client_of: Any, owner: User, url: Any) -> None:
    from django.db import transaction

    client = client_of(owner)
    with transaction.atomic():
        answered = client.get("/api/orders")
    assert "ETag" not in answered.headers
    assert "Cache-Status" not in answered.headers


@pytest.mark.parametrize("store", ["locmem"], indirect=True)
@pytest.mark.parametrize("route", reads())
def test_every_table_that_an_answer_is_read_from_has_triggers(
    client_of: Any, owner: User, url: Any, route: str
) -> None:
    """INSERT, UPDATE and DELETE raise a revision.

    Companies and users are seen through memberships only, whose revision every request compares.
    """
    everything = "&expand=events" if "orders" in route and "summary" not in route and "events" not in route else ""
    with watch() as seen:
        assert b"".join(client_of(owner).get(url(route) + everything))
    read = {table for query in seen.queries for table in query.statement.tables}
    read -= {"api_revision", "knox_authtoken", "businesses_membership"}
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT tgrelid::regclass::text, bit_or(tgtype) & 28 FROM pg_trigger
            WHERE tgname LIKE 'revision%' AND tgenabled <> 'D' GROUP BY 1""")
        raised = dict(cursor.fetchall())
    some, all_three = 16, 28  # the bits of UPDATE; of INSERT, DELETE and UPDATE
    expected = {table: some if table in SEEN_BY_MEMBERSHIP else all_three for table in read}
    assert {table: raised.get(table, 0) & expected[table] for table in read} == expected
