"""What a page shows: fetched and no more, the same after a write, and a bumped revision whenever it changes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver

from api.openapi import expansions
from api.selection import Selection
from api.shaping import plan_for
from api.views import ShapedViewSet
from businesses.models import Company
from orders.models import Order, Product
from querybudget.requests import unmeasured
from tests import factories

pytestmark = pytest.mark.django_db


# --- What is fetched


def names_in(sql: str, table: str) -> set[str]:
    """The columns of `table` that a SELECT fetches."""
    return set(re.findall(rf'"{table}"\."(\w+)"', sql.split(" FROM ")[0]))


@pytest.fixture
def list_queries(client_of: Any, order: Order, by_serializers: None) -> list[str]:
    client = client_of(order.placed_by)
    with CaptureQueriesContext(connection) as captured, unmeasured():  # its budget is that of the compiled one
        assert client.get("/api/orders").status_code == 200
    return [query["sql"] for query in captured]


@pytest.mark.parametrize(
    ("table", "columns"),
    [
        ("businesses_company", {"id", "name"}),
        ("businesses_office", {"id", "name", "city"}),
        ("businesses_user", {"id", "first_name", "last_name", "username"}),
        ("businesses_address", {"id", "street", "city", "postcode", "country", "active"}),
        (
            "orders_order",
            {"id", "number", "status", "currency", "total", "date", "placed_at", "updated_at", "revision"}
            | {"company_id", "office_id", "placed_by_id"}
            | {"ship_street", "ship_city", "ship_postcode", "ship_country"},
        ),
    ],
)
def test_the_list_fetches_the_columns_that_it_shows_and_keys(
    list_queries: list[str], table: str, columns: set[str]
) -> None:
    assert names_in(list_queries[1], table) == columns


def test_the_list_fetches_of_lines_what_it_shows_and_the_back_key(list_queries: list[str]) -> None:
    shown = {"position", "sku", "name", "quantity", "unit_price", "total"}
    assert names_in(list_queries[2], "orders_orderline") == shown | {"id", "order_id"}


# --- After a write


def bodies(order: Order, sku: str) -> dict[str, tuple[str, str, dict[str, Any]]]:
    return {
        "POST": ("post", "/api/orders", {"office": order.office_id, "lines": [{"sku": sku, "quantity": 1}]}),
        "PATCH": (
            "patch",
            f"/api/orders/{order.pk}",
            {"version": order.revision, "lines": [{"sku": sku, "quantity": 1}]},
        ),
        "transition": ("post", f"/api/orders/{order.pk}/transitions", {"version": order.revision, "to": "approved"}),
    }


@pytest.mark.parametrize("write", ["POST", "PATCH", "transition"])
def test_the_answer_to_a_write_is_what_a_read_shows(client_of: Any, order: Order, write: str) -> None:
    client = client_of(order.placed_by)
    method, url, body = bodies(order, factories.product().sku)[write]
    written = getattr(client, method)(f"{url}?expand=events", body).json()
    assert written == client.get(f"/api/orders/{written['id']}?expand=events").json()


@pytest.mark.parametrize("write", ["POST", "PATCH", "transition"])
def test_a_write_whose_answer_is_asked_for_wrongly_writes_nothing(client_of: Any, order: Order, write: str) -> None:
    method, url, body = bodies(order, factories.product().sku)[write]
    before = list(Order.objects.values())
    assert getattr(client_of(order.placed_by), method)(f"{url}?fields=nonsense", body).status_code == 400
    assert list(Order.objects.values()) == before


# --- What bumps revisions


def shaped_views() -> Iterator[type[ShapedViewSet]]:
    """Every shaped view that the URLconf serves."""

    def walk(patterns: list[URLPattern | URLResolver]) -> Iterator[Any]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns)
            else:
                yield getattr(pattern.callback, "cls", None)

    for view in set(walk(get_resolver().url_patterns)):
        if isinstance(view, type) and issubclass(view, ShapedViewSet):
            yield view


def models_on_pages() -> set[type[models.Model]]:
    """Every model in every plan, with all that can be expanded."""
    found: set[type[models.Model]] = set()
    for view in shaped_views():
        everything = Selection(expand=tuple(expansions(view.serializer_class())))
        found |= plan_for(view.serializer_class, everything).models
    return found


WRITES: dict[str, Callable[[Any, Any, Order], Any]] = {
    "Company": lambda admin, api, order: save(admin, order.company, name="Renamed"),
    "Office": lambda admin, api, order: save(admin, order.office, name="Renamed"),
    "User": lambda admin, api, order: save(admin, order.placed_by, first_name="Renamed"),
    "Membership": lambda admin, api, order: save(admin, order.placed_by.memberships.get(), role="viewer"),
    "Address": lambda admin, api, order: api.patch(
        f"/api/addresses/{order.placed_by.addresses.get().pk}", {"city": "Moved"}
    ),
    "Order": lambda admin, api, order: send(api, order, "POST"),
    "OrderLine": lambda admin, api, order: send(api, order, "PATCH"),
    "OrderEvent": lambda admin, api, order: send(api, order, "transition"),
}


def send(api: Any, order: Order, write: str) -> Any:
    method, url, body = bodies(order, factories.product().sku)[write]
    return getattr(api, method)(url, body)


def save(admin: Any, row: models.Model, **changes: Any) -> Any:
    """Save a row in its admin form with some fields changed."""
    url = f"/admin/{row._meta.app_label}/{row._meta.model_name}/{row.pk}/change/"
    form = admin.get(url).context["adminform"].form
    values = {name: form[name].value() for name in form.fields if name != "password"}
    for name in ("last_login", "date_joined"):
        if moment := values.pop(name, None):
            values |= {f"{name}_0": moment.date().isoformat(), f"{name}_1": moment.time().isoformat("seconds")}
    values = {name: value for name, value in (values | changes).items() if value is not None and value is not False}
    response = admin.post(url, values)
    assert response.status_code == 302, response.context["errors"]
    return response


def test_there_is_a_write_for_every_model_on_a_page() -> None:
    # But for the catalogue: no page of a company shows it, orders keep copies of what they took from it.
    assert {model.__name__ for model in models_on_pages() - {Product}} == set(WRITES)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("model", sorted(WRITES))
def test_writing_what_a_page_shows_bumps_its_company_and_no_other(
    admin_client: Any, client_of: Any, order: Order, model: str
) -> None:
    other = factories.member(factories.company()).memberships.get().company
    api = client_of(order.placed_by)
    before = Company.objects.get(pk=order.company_id).revision
    untouched = Company.objects.get(pk=other.pk).revision
    assert WRITES[model](admin_client, api, order).status_code in (200, 201, 302)
    assert Company.objects.get(pk=order.company_id).revision > before
    assert Company.objects.get(pk=other.pk).revision == untouched
