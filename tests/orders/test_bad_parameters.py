"""Parameters, paths and methods that are wrong: a problem document that names what, and nothing written."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from django.conf import settings
from rest_framework.test import APIClient

from businesses.models import Office
from orders.models import Order, Product
from tests.orders.expecting import BEYOND_64_BITS, problem

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nothing_is_written")]


# --- Query parameters

LISTS = ["/api/orders", "/api/orders/export", "/api/orders/summary?group_by=office"]


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("stauts", "placed"),
        ("status", "open"),
        ("status", "PLACED"),
        ("status", "placed,approved"),
        ("status", ""),
        ("status", "\x00"),
        ("status", "x" * 10_000),
        ("company", "acme"),
        ("company", "1,2"),
        ("company", "0"),
        ("company", ""),
        ("office", "-1"),
        ("office", "1.0"),
        ("office", "1e3"),
        ("office", "٣"),
        ("office", "\x00"),
        ("office", " 1"),
        ("office", str(BEYOND_64_BITS)),
        ("office", "9" * 5000),
        ("placed_by", "me"),
        ("placed_by", "true"),
        ("date_after", "yesterday"),
        ("date_after", "2026-02-30"),
        ("date_after", "2026-02-03T00:00:00Z"),
        ("date_after", "0000-01-01"),
        ("date_after", "10000-01-01"),
        ("date_after", "\x00"),
        ("date_after", " "),
        ("date_before", "20260203"),
        ("date_before", ""),
        ("placed_after", "2026-02-03"),
        ("placed_after", "2026-02-03T00:00:00"),
        ("placed_after", "2026-02-03T00:00:00 02:00"),
        ("placed_after", "9999-12-31T23:59:59-01:00"),
        ("placed_after", "0001-01-01T00:00:00+01:00"),
        ("placed_after", " "),
        ("placed_after", "\x00"),
        ("placed_before", "2026-02-30T00:00:00Z"),
        ("placed_before", "now"),
        ("since_version", "-1"),
        ("since_version", "1.5"),
        ("since_version", "abc"),
        ("since_version", str(BEYOND_64_BITS)),
        ("search", "x" * 21),
        ("search", "2026\x00"),
        ("search", ""),
    ],
)
def test_a_bad_parameter_is_named(as_owner: APIClient, path: str, parameter: str, value: str) -> None:
    problem(as_owner.get(f"{path}{'&' if '?' in path else '?'}{parameter}={quote(value)}"), 400, parameter)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("limit", "0"),
        ("limit", "201"),
        ("limit", "10000"),
        ("limit", "abc"),
        ("limit", "-1"),
        ("limit", "1.5"),
        ("limit", ""),
        ("limit", "٣"),
        ("limit", "9" * 5000),
        ("limit", "\x00"),
        ("ordering", "total"),
        ("ordering", "-id"),
        ("ordering", "placed_at,id"),
        ("ordering", ""),
        ("ordering", "\x00"),
        ("cursor", "garbled"),
        ("cursor", ""),
        ("fields", "totl"),
        ("fields", "id,"),
        ("fields", ""),
        ("fields", "id,office.phone"),
        ("fields", "status.name"),
        ("fields", "id."),
        ("fields", ".id"),
        ("fields", "events"),
        ("fields", "request_digest"),
        ("fields", "placed_by.password"),
        ("fields", "\x00"),
        ("fields", ",".join(["id"] * 1 + [f"f{number}" for number in range(101)])),
        ("fields", "x" * 10_000),
        ("fields", ".".join(["company"] * 5000)),
        ("expand", "offices"),
        ("expand", "address"),
        ("expand", "office.phone"),
        ("expand", "lines.sku"),
        ("expand", "id.x"),
        ("expand", ""),
        ("expand", "\x00"),
    ],
)
def test_a_bad_shape_or_page_is_named(as_owner: APIClient, parameter: str, value: str) -> None:
    problem(as_owner.get(f"/api/orders?{parameter}={quote(value)}"), 400, parameter)


@pytest.mark.parametrize(
    "parameter", ["limit", "cursor", "ordering", "fields", "search", "date_after", "since_version"]
)
def test_what_is_given_twice_is_named(as_owner: APIClient, parameter: str) -> None:
    problem(as_owner.get(f"/api/orders?{parameter}=1&{parameter}=2"), 400, parameter)


def test_every_bad_parameter_is_named_at_once(as_owner: APIClient) -> None:
    problem(as_owner.get("/api/orders?status=open&office=x&date_after=y"), 400, "status", "office", "date_after")
    problem(as_owner.get("/api/orders?a=1&b=2"), 400, "a", "b")


def test_the_message_shows_the_name_and_what_is_known(as_owner: APIClient) -> None:
    document = problem(as_owner.get("/api/orders?fields=totl"), 400, "fields")
    assert "totl" in document["detail"]
    assert "total" in document["detail"]


def test_too_many_values_are_refused(as_owner: APIClient) -> None:
    problem(as_owner.get("/api/orders?" + "&".join(f"office={number}" for number in range(1, 1002))), 400, "office")


def test_too_many_parameters_are_refused(as_owner: APIClient) -> None:
    query = "&".join(f"office={number}" for number in range(settings.DATA_UPLOAD_MAX_NUMBER_FIELDS + 1))
    assert "parameters" in problem(as_owner.get(f"/api/orders?{query}"), 400)["detail"]


def test_bytes_that_are_no_text_are_refused(as_owner: APIClient) -> None:
    problem(as_owner.get("/api/orders?status=%ff%fe"), 400, "status")
    problem(as_owner.get("/api/orders?office=%ed%a0%80"), 400, "office")


@pytest.mark.parametrize("path", [*LISTS[1:], "/api/orders/{order}/events", "/api/orders/{order}", "/api/products"])
def test_an_unknown_parameter_is_named_everywhere(as_owner: APIClient, order: Order, path: str) -> None:
    path = path.format(order=order.pk)
    problem(as_owner.get(f"{path}{'&' if '?' in path else '?'}colour=red"), 400, "colour")


@pytest.mark.parametrize("parameter", ["limit=5", "cursor=x"])
def test_an_export_has_no_pages(as_owner: APIClient, parameter: str) -> None:
    problem(as_owner.get(f"/api/orders/export?{parameter}"), 400, parameter.split("=")[0])


@pytest.mark.parametrize("path", [*LISTS, "/api/products", "/api/orders/{order}", "/api/orders/{order}/events"])
def test_an_unknown_format_is_named(as_owner: APIClient, order: Order, path: str) -> None:
    path = path.format(order=order.pk)
    problem(as_owner.get(f"{path}{'&' if '?' in path else '?'}format=bogus"), 400, "format")


@pytest.mark.parametrize("path", LISTS)
def test_an_unknown_media_type_is_refused(as_owner: APIClient, path: str) -> None:
    problem(as_owner.get(path, headers={"Accept": "application/xml"}), 406)


@pytest.mark.parametrize("path", ["/api/orders", "/api/orders/{order}/transitions"])
@pytest.mark.parametrize("query", ["colour=red", "fields=totl", "expand=offices", "format=bogus", "limit=5"])
def test_the_query_of_a_write_is_checked_before_it_writes(
    as_owner: APIClient, office: Office, order: Order, product: Product, path: str, query: str
) -> None:
    content = {"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}]}
    if "order" in path[12:]:
        content = {"to": "approved", "version": order.revision}
    response = as_owner.post(f"{path.format(order=order.pk)}?{query}", content)
    problem(response, 400, query.split("=")[0])


# --- Ids in the path


@pytest.mark.parametrize(
    "key", ["0", "999999999", str(BEYOND_64_BITS), "9" * 40, "9" * 5000, "-1", "1.5", "abc", "%00"]
)
@pytest.mark.parametrize("path", ["/api/orders/{}", "/api/orders/{}/events", "/api/products/{}"])
def test_an_unknown_id_is_not_found(as_owner: APIClient, path: str, key: str) -> None:
    problem(as_owner.get(path.format(key)), 404)


@pytest.mark.parametrize("key", ["999999999", str(BEYOND_64_BITS), "9" * 5000])
def test_writes_to_an_unknown_id_are_not_found(as_owner: APIClient, key: str) -> None:
    problem(as_owner.patch(f"/api/orders/{key}", {"version": 1, "address": 1}), 404)
    problem(as_owner.post(f"/api/orders/{key}/transitions", {"version": 1, "to": "approved"}), 404)


@pytest.mark.parametrize("path", ["/api/order", "/api/orders/", "/api/orders/1/lines", "/api/\x00"])
def test_other_paths_are_not_found(as_owner: APIClient, path: str) -> None:
    problem(as_owner.get(quote(path)), 404)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("put", "/api/orders"),
        ("delete", "/api/orders"),
        ("put", "/api/orders/{order}"),
        ("delete", "/api/orders/{order}"),
        ("get", "/api/orders/{order}/transitions"),
        ("post", "/api/orders/{order}/events"),
        ("post", "/api/orders/export"),
        ("post", "/api/orders/summary"),
        ("post", "/api/products"),
        ("trace", "/api/orders"),
    ],
)
def test_a_method_that_is_not_there_is_named(as_owner: APIClient, order: Order, method: str, path: str) -> None:
    response = as_owner.generic(method.upper(), path.format(order=order.pk))
    assert method.upper() in problem(response, 405)["detail"]
    assert response.headers["Allow"]
