"""Every endpoint for every kind of user: who gets an answer, who is refused, who sees which rows.

The endpoints come from the URLconf: a new route without a row here fails.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.test import APIClient

from businesses import tokens
from businesses.models import Company, Membership, Office, Role, User
from orders.models import Order, Product
from tests import factories
from tests.orders.expecting import ids

pytestmark = pytest.mark.django_db

ROLES = (
    "anonymous",
    "stranger",  # owner of another company
    "staff",  # of this service, without a membership
    "viewer elsewhere",  # of the company's other office only
    "viewer here",  # of the order's office only
    "viewer",
    "buyer",
    "approver",
    "owner",
)

OPEN = (200,) * 9
MEMBERS_OF_ANYTHING = (401,) + (200,) * 8
OFFICE_IS_VISIBLE = (401, 404, 404, 404, 200, 200, 200, 200, 200)
COMPANY_IS_VISIBLE = (401, 404, 404, 200, 200, 200, 200, 200, 200)
ANOTHER_USERS = (401,) + (404,) * 8

# The answer's status for each role, about an order that a colleague placed in one of two offices.
MATRIX: dict[str, tuple[int, ...]] = {
    "GET schema": OPEN,
    "GET docs": OPEN,
    "POST auth/login": OPEN,
    "POST auth/logout": (401,) + (204,) * 8,
    "POST auth/logout/all": (401,) + (204,) * 8,
    "GET me": MEMBERS_OF_ANYTHING,
    "GET companies": MEMBERS_OF_ANYTHING,
    "GET companies/<int:id>": COMPANY_IS_VISIBLE,
    "GET offices": MEMBERS_OF_ANYTHING,
    "GET offices/<int:id>": OFFICE_IS_VISIBLE,
    "GET addresses": MEMBERS_OF_ANYTHING,
    "POST addresses": (401,) + (201,) * 8,
    "GET addresses/<int:id>": ANOTHER_USERS,
    "PATCH addresses/<int:id>": ANOTHER_USERS,
    "GET products": MEMBERS_OF_ANYTHING,
    "GET products/<int:id>": MEMBERS_OF_ANYTHING,
    "GET orders": MEMBERS_OF_ANYTHING,
    "POST orders": (401, 400, 403, 403, 403, 403, 201, 201, 201),
    "GET orders/export": MEMBERS_OF_ANYTHING,
    "GET orders/summary": MEMBERS_OF_ANYTHING,
    "GET orders/<int:id>": OFFICE_IS_VISIBLE,
    "PATCH orders/<int:id>": (401, 404, 404, 404, 403, 403, 403, 200, 200),
    "POST orders/<int:id>/transitions": (401, 404, 404, 404, 403, 403, 403, 200, 200),
    "GET orders/<int:id>/events": OFFICE_IS_VISIBLE,
    "GET ^api(/|$)": (404,) * 9,
}

# How many of two orders (one in each office), offices and so on each role sees; the anonymous are refused above.
ROWS: dict[str, tuple[int, ...]] = {
    "companies": (1, 0, 1, 1, 1, 1, 1, 1),
    "offices": (1, 0, 1, 1, 2, 2, 2, 2),
    "addresses": (1,) * 8,
    "products": (1,) * 8,
    "orders": (0, 0, 1, 1, 2, 2, 2, 2),
    "orders/summary?group_by=office": (0, 0, 1, 1, 2, 2, 2, 2),
    "orders/export?fields=id": (0, 0, 1, 1, 2, 2, 2, 2),
}


@dataclass
class World:
    company: Company
    here: Office
    elsewhere: Office
    colleague: User
    order: Order
    other: Order
    product: Product
    users: dict[str, User]

    def client(self, role: str) -> APIClient:
        client = APIClient()
        if role in self.users:
            client.credentials(HTTP_AUTHORIZATION=f"Token {tokens.issue(self.users[role])[0]}")
        return client


@pytest.fixture
def world(settings: Any) -> World:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]  # quick; the matrix logs in often
    company = factories.company()
    here, elsewhere = factories.office(company), factories.office(company)
    colleague = factories.member(company, password=make_password("right", hasher="md5"))
    users = {
        "stranger": factories.member(factories.office().company),
        "staff": factories.user(is_staff=True, is_superuser=True),
        "viewer elsewhere": factories.member(elsewhere, Role.VIEWER),
        "viewer here": factories.member(here, Role.VIEWER),
        **{role.value: factories.member(company, role) for role in Role},
    }
    factories.active_address(users["staff"])
    return World(
        company,
        here,
        elsewhere,
        colleague,
        factories.order(here, colleague),
        factories.order(elsewhere, colleague),
        factories.product(),
        users,
    )


def endpoints() -> set[str]:
    """Method and route of everything below /api."""
    found = set()
    for route, view in routes(get_resolver().url_patterns):
        if route.removeprefix("^").startswith("api"):
            actions = getattr(view, "actions", None) or {
                method for method in view.cls.http_method_names if hasattr(view.cls, method)
            }
            methods = {method.upper() for method in actions} - {"HEAD", "OPTIONS"} or {"GET"}
            found |= {f"{method} {route.removeprefix('api/')}" for method in methods}
    return found


def routes(patterns: list[URLPattern | URLResolver], above: str = "") -> Iterator[tuple[str, Any]]:
    for pattern in patterns:
        route = above + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, route)
        else:
            yield route, pattern.callback


def test_every_endpoint_has_its_row() -> None:
    assert endpoints() == set(MATRIX)


@pytest.mark.parametrize("endpoint", MATRIX)
def test_each_role_gets_its_answer(world: World, endpoint: str) -> None:
    method, route = endpoint.split()
    statuses = {role: call(world, role, method, route).status_code for role in ROLES}
    assert statuses == dict(zip(ROLES, MATRIX[endpoint], strict=True))


def call(world: World, role: str, method: str, route: str) -> Any:
    order = factories.order(world.here, world.colleague)  # one for each call: a change makes its version stale
    about = {
        "companies": world.company.pk,
        "offices": world.here.pk,
        "addresses": world.colleague.addresses.get().pk,
        "products": world.product.pk,
        "orders": order.pk,
    }
    path = route.replace("<int:id>", str(about.get(route.split("/")[0]))).replace("^api(/|$)", "nothing/here")
    line = {"sku": world.product.sku, "quantity": 1}
    bodies: dict[str, dict[str, Any]] = {
        "auth/login": {"username": world.colleague.username, "password": "right"},
        "addresses": {"street": "Kaj 1", "city": "Aarhus", "postcode": "8000", "country": "DK"},
        "addresses/<int:id>": {"city": "Odense"},
        "orders": {"office": world.here.pk, "lines": [line]},
        "orders/<int:id>": {"version": order.revision, "lines": [line]},
        "orders/<int:id>/transitions": {"version": order.revision, "to": "approved"},
    }
    if route == "orders/summary":
        path += "?group_by=status"
    body = None if method == "GET" else bodies.get(route)
    return getattr(world.client(role), method.lower())(f"/api/{path}", body)


@pytest.mark.parametrize("path", ROWS)
def test_each_role_sees_its_rows(world: World, path: str) -> None:
    seen = {role: rows(world.client(role), path) for role in ROLES[1:]}
    assert seen == dict(zip(ROLES[1:], ROWS[path], strict=True))


def rows(client: APIClient, path: str) -> int:
    response = client.get(f"/api/{path}")
    assert response.status_code == 200
    if response.streaming:
        return len(b"".join(response).splitlines())
    return len(response.json()["results"])


# --- Further than the matrix


def test_a_viewer_of_one_office_sees_that_office(world: World) -> None:
    assert ids(world.client("viewer here").get("/api/orders")) == [world.order.pk]
    assert ids(world.client("viewer here").get("/api/offices")) == [world.here.pk]


@pytest.mark.parametrize("query", ["office={0}", "company={1}", "placed_by={2}", "search={3}", "since_version=0"])
def test_no_filter_reaches_beyond_the_scope(world: World, query: str) -> None:
    query = query.format(world.here.pk, world.company.pk, world.colleague.pk, world.order.number)
    assert world.order.pk not in ids(world.client("viewer elsewhere").get(f"/api/orders?{query}"))
    assert ids(world.client("stranger").get(f"/api/orders?{query}")) == []


def test_another_companys_order_reads_like_one_that_is_not_there(world: World) -> None:
    client = world.client("stranger")
    theirs, nobodys = (client.get(f"/api/orders/{key}").json() for key in (world.order.pk, 10**9))
    personal = ("instance", "request_id")
    assert {k: v for k, v in theirs.items() if k not in personal} == {
        k: v for k, v in nobodys.items() if k not in personal
    }


def test_two_memberships_add_up(world: World) -> None:
    person = world.users["viewer here"]
    Membership.objects.create(user=person, company=world.company, office=world.elsewhere, role=Role.APPROVER)
    orders = world.client("viewer here").get("/api/orders").json()["results"]
    steps = {order["id"]: order["allowed_transitions"] for order in orders}
    assert steps == {world.order.pk: [], world.other.pk: ["approved", "cancelled"]}


def test_a_membership_that_ended_shows_nothing_more(world: World) -> None:
    client = world.client("viewer")
    assert len(ids(client.get("/api/orders"))) == 2
    world.users["viewer"].memberships.all().delete()
    assert ids(client.get("/api/orders")) == []


def test_a_disabled_user_is_refused(world: World) -> None:
    client = world.client("owner")
    User.objects.filter(pk=world.users["owner"].pk).update(is_active=False)
    assert client.get("/api/orders").status_code == 401


def test_own_addresses_only(world: World) -> None:
    address = world.users["viewer"].addresses.get()
    assert ids(world.client("viewer").get("/api/addresses")) == [address.pk]
    assert world.client("viewer").get(f"/api/addresses/{address.pk}").status_code == 200


def test_the_answer_to_the_anonymous_says_how_to_log_in(world: World) -> None:
    assert world.client("anonymous").get("/api/orders").headers["WWW-Authenticate"] == "Token"
