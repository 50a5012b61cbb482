"""POST /api/orders: what is written, at whose price, and once."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from businesses.models import Address, Company, Membership, Office, Role, User
from orders.models import Order, OrderEvent, Product
from tests import factories
from tests.orders.expecting import problem

pytestmark = pytest.mark.django_db


def body(office: Office, *products: Product, quantity: int = 3, **more: Any) -> dict[str, Any]:
    return {"office": office.pk, "lines": [{"sku": each.sku, "quantity": quantity} for each in products], **more}


def post(client: APIClient, content: dict[str, Any], key: str | None = None, query: str = "") -> Any:
    headers = {} if key is None else {"Idempotency-Key": key}
    return client.post(f"/api/orders{query}", content, headers=headers)


# --- What is written


def test_the_answer_is_the_order_and_where_it_is(as_owner: APIClient, office: Office, product: Product) -> None:
    response = post(as_owner, body(office, product))
    assert response.status_code == 201
    assert response.headers["Location"] == f"http://testserver/api/orders/{response.json()['id']}"
    assert as_owner.get(response.headers["Location"]).json() == response.json()


def test_an_order_starts_placed_in_its_office_by_its_user(
    as_owner: APIClient, office: Office, owner: User, product: Product
) -> None:
    before = datetime.now(UTC)
    post(as_owner, body(office, product))
    order = Order.objects.get()
    assert (order.status, order.office, order.company, order.placed_by) == ("placed", office, office.company, owner)
    assert before <= order.placed_at == order.updated_at <= datetime.now(UTC)
    assert order.date == order.placed_at.date()


def test_prices_and_names_come_from_the_catalogue(as_owner: APIClient, office: Office) -> None:
    bolt = factories.product(name="Bolt", unit_price=Decimal("0.10"))
    nut = factories.product(name="Nut", unit_price=Decimal("19.99"))
    order = post(as_owner, body(office, bolt, nut)).json()
    lines = [(line["name"], line["quantity"], line["unit_price"], line["total"]) for line in order["lines"]]
    assert lines == [("Bolt", 3, "0.10", "0.30"), ("Nut", 3, "19.99", "59.97")]
    assert (order["total"], order["currency"]) == ("60.27", "EUR")


def test_a_later_price_does_not_change_the_order(as_owner: APIClient, office: Office, product: Product) -> None:
    order = post(as_owner, body(office, product)).json()
    Product.objects.update(unit_price=99, name="Dearer")
    assert as_owner.get(f"/api/orders/{order['id']}").json()["lines"] == order["lines"]


def test_lines_keep_their_order_and_a_sku_may_repeat(as_owner: APIClient, office: Office) -> None:
    one, two = factories.product(), factories.product()
    order = post(as_owner, body(office, two, one, two)).json()
    lines = [(line["position"], line["sku"]) for line in order["lines"]]
    assert lines == [(1, two.sku), (2, one.sku), (3, two.sku)]


def test_the_largest_order_fits_the_columns(as_owner: APIClient, office: Office) -> None:
    dearest = factories.product(unit_price=Decimal("9999999999.99"))
    order = post(as_owner, body(office, *[dearest] * 200, quantity=100_000)).json()
    assert order["total"] == "199999999999800000.00"


def test_a_free_product_can_be_ordered(as_owner: APIClient, office: Office) -> None:
    assert post(as_owner, body(office, factories.product(unit_price=0))).json()["total"] == "0.00"


def test_it_goes_to_the_active_address(as_owner: APIClient, office: Office, product: Product) -> None:
    ship_to = post(as_owner, body(office, product)).json()["ship_to"]
    assert ship_to == {"street": "Parkvej 7", "city": "København", "postcode": "2100", "country": "DK"}


def test_it_goes_to_a_named_address_of_the_user(
    as_owner: APIClient, office: Office, owner: User, product: Product
) -> None:
    dock = Address.objects.create(user=owner, street="Dock 3", city="Kiel", postcode="24103", country="DE")
    order = post(as_owner, body(office, product, address=dock.pk)).json()
    assert order["ship_to"]["street"] == "Dock 3"
    assert order["address"]["street"] == "Parkvej 7"


def test_without_an_active_address_one_has_to_be_named(as_owner: APIClient, office: Office, product: Product) -> None:
    Address.objects.update(active=False)
    problem(post(as_owner, body(office, product)), 400, "address")


def test_an_inactive_product_is_not_for_sale(as_owner: APIClient, office: Office, product: Product) -> None:
    gone = factories.product(active=False)
    problem(post(as_owner, body(office, product, gone)), 400, "lines.1.sku")


def test_an_order_has_one_currency(as_owner: APIClient, office: Office, product: Product) -> None:
    document = problem(post(as_owner, body(office, product, factories.product(currency="USD"))), 400, "lines")
    assert "EUR, USD" in document["detail"]


def test_it_writes_one_event(as_owner: APIClient, office: Office, owner: User, product: Product) -> None:
    post(as_owner, body(office, product))
    event = OrderEvent.objects.get()
    assert (event.kind, event.actor, event.data, event.order) == ("placed", owner, {}, Order.objects.get())


def test_its_version_is_the_companys_new_revision(
    as_owner: APIClient, office: Office, company: Company, product: Product
) -> None:
    company.refresh_from_db()
    versions = [post(as_owner, body(office, product)).json()["version"] for _ in range(3)]
    assert versions == [company.revision + step for step in (1, 2, 3)]
    company.refresh_from_db()
    assert versions[-1] == company.revision


def test_numbers_are_unique_and_start_with_the_year(as_owner: APIClient, office: Office, product: Product) -> None:
    numbers = {post(as_owner, body(office, product)).json()["number"] for _ in range(3)}
    assert len(numbers) == 3
    assert {number[:5] for number in numbers} == {f"{Order.objects.latest('pk').placed_at.year}-"}


def test_two_companies_number_for_themselves(client_of: Any, office: Office, owner: User, product: Product) -> None:
    other = factories.office()
    Membership.objects.create(user=owner, company=other.company, role=Role.BUYER)
    client = client_of(owner)
    assert {post(client, body(each, product)).status_code for each in (office, other)} == {201}


def test_fields_and_expand_shape_the_answer(as_owner: APIClient, office: Office, product: Product) -> None:
    response = post(as_owner, body(office, product), query="?fields=total,events.kind&expand=events")
    assert response.json() == {"total": "7.50", "events": [{"kind": "placed"}]}


# --- Who may


@pytest.mark.parametrize(
    ("role", "status"), [(Role.VIEWER, 403), (Role.BUYER, 201), (Role.APPROVER, 201), (Role.OWNER, 201)]
)
def test_ordering_takes_a_buyer(client_of: Any, office: Office, product: Product, role: Role, status: int) -> None:
    response = post(client_of(factories.member(office.company, role)), body(office, product))
    assert response.status_code == status


def test_a_buyer_of_one_office_views_the_others(client_of: Any, office: Office, product: Product) -> None:
    person = factories.member(office, Role.BUYER)
    Membership.objects.create(user=person, company=office.company, role=Role.VIEWER)
    client = client_of(person)
    assert post(client, body(office, product)).status_code == 201
    problem(post(client, body(factories.office(office.company), product)), 403)


def test_who_may_not_order_raises_no_revision(
    client_of: Any, office: Office, company: Company, product: Product
) -> None:
    viewer, stranger = (client_of(factories.member(at, Role.VIEWER)) for at in (company, factories.company()))
    company.refresh_from_db()
    with CaptureQueriesContext(connection) as captured:
        problem(post(viewer, body(office, product)), 403)
        problem(post(stranger, body(office, product)), 403)
    assert not [query for query in captured if query["sql"].startswith("UPDATE")]


def test_a_buyer_elsewhere_raises_no_revision_here(client_of: Any, office: Office, product: Product) -> None:
    person = factories.member(factories.company(), Role.OWNER)
    Membership.objects.create(user=person, company=office.company, role=Role.VIEWER)
    before = dict(Company.objects.values_list("pk", "revision"))
    problem(post(client_of(person), body(office, product)), 403)
    assert dict(Company.objects.values_list("pk", "revision")) == before


# --- Idempotency-Key


def test_a_repeat_gets_the_first_order(as_owner: APIClient, office: Office, product: Product) -> None:
    content = body(office, product, factories.product())
    first, again = (post(as_owner, content, "k1") for _ in range(2))
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert Order.objects.count() == 1


def test_a_repeat_says_that_it_is_one(as_owner: APIClient, office: Office, product: Product) -> None:
    first, again = (post(as_owner, body(office, product), "k1") for _ in range(2))
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"


def test_a_repeat_leaves_no_trace(as_owner: APIClient, office: Office, company: Company, product: Product) -> None:
    version = post(as_owner, body(office, product), "k1").json()["version"]
    post(as_owner, body(office, product), "k1")
    company.refresh_from_db()
    assert (company.revision, OrderEvent.objects.count()) == (version, 1)


def test_a_repeat_in_another_spelling_is_a_repeat(as_owner: APIClient, office: Office, product: Product) -> None:
    first = post(as_owner, body(office, product), "k1")
    spelling = (
        f'{{ "lines": [ {{"quantity": 3, "sku": "{product.sku[0]}\\u{ord(product.sku[1]):04x}{product.sku[2:]}"}}], '
        f'"office": {office.pk} }}'
    )
    again = as_owner.post("/api/orders", spelling, content_type="application/json", headers={"Idempotency-Key": "k1"})
    assert again.json() == first.json()


@pytest.mark.parametrize("change", [{"quantity": 4}, {"address": True}, {"lines": True}])
def test_a_key_with_other_content_is_refused(
    as_owner: APIClient, office: Office, owner: User, product: Product, change: dict[str, Any]
) -> None:
    post(as_owner, body(office, product), "k1")
    products = [product, product] if "lines" in change else [product]
    more = {"address": owner.addresses.get().pk} if "address" in change else {}
    other = body(office, *products, quantity=change.get("quantity", 3), **more)
    document = problem(post(as_owner, other, "k1"), 422)
    assert document["code"] == "idempotency_key_reused"
    assert "Idempotency-Key" in document["detail"]
    assert Order.objects.count() == 1


def test_other_keys_place_other_orders(as_owner: APIClient, office: Office, product: Product) -> None:
    found = {post(as_owner, body(office, product), key).json()["id"] for key in ("k1", "k2", "K1")}
    assert len(found) == 3


def test_without_a_key_each_request_places_an_order(as_owner: APIClient, office: Office, product: Product) -> None:
    assert len({post(as_owner, body(office, product)).json()["id"] for _ in range(2)}) == 2


def test_a_key_belongs_to_its_user(client_of: Any, as_owner: APIClient, office: Office, product: Product) -> None:
    other = client_of(factories.member(office.company))
    first, second = (post(client, body(office, product), "k1") for client in (as_owner, other))
    assert first.json()["id"] != second.json()["id"]


def test_a_refused_request_does_not_get_another_users_order(
    client_of: Any, as_owner: APIClient, office: Office, product: Product
) -> None:
    post(as_owner, body(office, product), "k1")
    other = client_of(factories.member(office.company, address=False))
    problem(post(other, body(office, product), "k1"), 400, "address")


def test_a_refused_request_does_not_use_its_key_up(as_owner: APIClient, office: Office, product: Product) -> None:
    problem(post(as_owner, {"office": office.pk, "lines": [{"sku": "none", "quantity": 1}]}, "k1"), 400)
    assert post(as_owner, body(office, product), "k1").status_code == 201


def test_a_repeat_works_after_the_catalogue_moved_on(as_owner: APIClient, office: Office, product: Product) -> None:
    first = post(as_owner, body(office, product), "k1")
    Product.objects.update(active=False)
    Address.objects.update(active=False)
    assert post(as_owner, body(office, product), "k1").json()["id"] == first.json()["id"]


@pytest.mark.parametrize("key", ["k", "~!#$%&'*+-.^_`|", "k" * 255])
def test_visible_ascii_is_a_key(as_owner: APIClient, office: Office, product: Product, key: str) -> None:
    assert post(as_owner, body(office, product), key).status_code == 201
