"""The admin: every page works and stays cheap, and what it changes reaches the companies' pages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group
from django.db import connection, models
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from businesses.models import Address, Company, Membership, Office, Role, User
from orders.models import Order, OrderEvent, OrderLine, Product
from tests import factories

pytestmark = pytest.mark.django_db
READ_ONLY = [Order, OrderLine, OrderEvent]
OURS = [User, Company, Office, Membership, Address, Product, *READ_ONLY]
ALL = [*OURS, Group]


@pytest.fixture
def admin_client(client: Client) -> Client:
    """Of a superuser without a password, as hashing one takes longer than the tests."""
    client.force_login(factories.user(is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def rows() -> Callable[[int], None]:
    """`rows(5)` adds at least as many rows of every model, each of another company, office and user."""

    def add(number: int) -> None:
        for _ in range(number):
            office = factories.office()
            factories.order(office, factories.member(office))
            factories.product()
            Group.objects.create(name=f"Group {Group.objects.count()}")

    return add


def url(model: type[models.Model], page: str, *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args)


def test_every_registered_model_of_ours_is_tested() -> None:
    ours = {model for model in admin.site._registry if model._meta.app_label in ("businesses", "orders")}
    assert ours == set(OURS)


# --- Pages


@pytest.mark.parametrize("model", ALL)
def test_the_list_opens(admin_client: Any, rows: Any, model: type[models.Model]) -> None:
    rows(2)
    response = admin_client.get(url(model, "changelist"))
    assert response.status_code == 200
    assert response.context["cl"].result_list


@pytest.mark.parametrize("model", ALL)
def test_the_list_is_searched_for_anything(admin_client: Any, rows: Any, model: type[models.Model]) -> None:
    rows(1)
    texts = ["a", "1", "2026", "x" * 300, "%", "'", "9" * 30, "🧁", "\x00"]
    assert {admin_client.get(url(model, "changelist"), {"q": text}).status_code for text in texts} <= {200, 302}


@pytest.mark.parametrize("model", ALL)
def test_a_row_opens(admin_client: Any, rows: Any, model: type[models.Model]) -> None:
    rows(1)
    row = model._default_manager.all()[:1].get()
    assert admin_client.get(url(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", [model for model in ALL if model not in READ_ONLY])
def test_the_form_of_a_new_row_opens(admin_client: Any, rows: Any, model: type[models.Model]) -> None:
    rows(1)
    assert admin_client.get(url(model, "add")).status_code == 200


@pytest.mark.parametrize("model", [model for model in ALL if model not in READ_ONLY])
def test_the_page_before_a_deletion_opens(admin_client: Any, rows: Any, model: type[models.Model]) -> None:
    rows(1)
    row = model._default_manager.all()[:1].get()
    assert admin_client.get(url(model, "delete", row.pk)).status_code == 200


@pytest.mark.parametrize(
    ("model", "query"),
    [(Order, "status__exact=placed"), (Membership, "role__exact=owner"), (Product, "active__exact=1")],
)
def test_the_list_is_filtered(admin_client: Any, rows: Any, model: type[models.Model], query: str) -> None:
    rows(1)
    assert admin_client.get(f"{url(model, 'changelist')}?{query}").context["cl"].result_list


@pytest.mark.parametrize("model", [User, Company, Office])
def test_rows_are_chosen_by_typing(admin_client: Any, rows: Any, model: type[models.Model]) -> None:
    rows(1)
    holder = Membership
    field = model.__name__.lower()
    query = {"app_label": "businesses", "model_name": holder._meta.model_name, "field_name": field, "term": ""}
    assert admin_client.get(reverse("admin:autocomplete"), query).json()["results"]


# --- Cost


def queries(call: Callable[[], Any]) -> list[str]:
    """What `call` asks the database, once content types are known to this process."""
    call()
    with CaptureQueriesContext(connection) as captured:
        assert call().status_code == 200
    return [query["sql"] for query in captured]


@pytest.mark.parametrize("model", ALL)
def test_a_list_takes_as_many_queries_for_fifty_rows_as_for_five(
    admin_client: Any, rows: Any, model: type[models.Model]
) -> None:
    rows(5)
    few = len(queries(lambda: admin_client.get(url(model, "changelist"))))
    rows(45)
    assert len(queries(lambda: admin_client.get(url(model, "changelist")))) == few


def test_an_order_opens_with_as_many_queries_for_fifty_events_as_for_one(admin_client: Any) -> None:
    office = factories.office()
    order = factories.order(office, factories.member(office), lines=1)
    few = len(queries(lambda: admin_client.get(url(Order, "change", order.pk))))
    for _ in range(50):
        OrderEvent.objects.create(order=order, actor=factories.user(), kind="edited", at=order.placed_at)
    assert len(queries(lambda: admin_client.get(url(Order, "change", order.pk)))) == few


@pytest.mark.parametrize("model", READ_ONLY)
@pytest.mark.parametrize("query", ["", "?q=1"])
def test_no_count_of_orders_is_without_a_limit(
    admin_client: Any, rows: Any, model: type[models.Model], query: str
) -> None:
    rows(2)
    counts = [sql for sql in queries(lambda: admin_client.get(url(model, "changelist") + query)) if "COUNT(*)" in sql]
    assert counts
    assert [sql for sql in counts if "LIMIT 10000" not in sql] == []


@pytest.mark.parametrize("model", OURS)
def test_no_form_lists_whole_tables(admin_client: Any, rows: Any, model: type[models.Model]) -> None:
    rows(60)
    page = admin_client.get(url(model, "change", model._default_manager.all()[:1].get().pk)).content.decode()
    assert page.count("<option") < 60 + (500 if model is User else 0)  # a user's form lists permissions


# --- Orders are looked at


@pytest.mark.parametrize("model", READ_ONLY)
@pytest.mark.parametrize("page", ["add", "change", "delete"])
def test_orders_are_not_changed_here(admin_client: Any, rows: Any, model: type[models.Model], page: str) -> None:
    rows(1)
    before = list(model._default_manager.values())
    arguments = [] if page == "add" else [before[0]["id"]]
    assert admin_client.post(url(model, page, *arguments), {"post": "yes"}).status_code == 403
    assert list(model._default_manager.values()) == before


def test_orders_are_not_deleted_from_the_list(admin_client: Any, rows: Any) -> None:
    rows(1)
    chosen = {"action": "delete_selected", "_selected_action": [Order.objects.get().pk], "post": "yes"}
    admin_client.post(url(Order, "changelist"), chosen)
    assert Order.objects.count() == 1


# --- What companies show


@pytest.fixture
def place(transactional_db: None) -> Office:
    # A company rises once in a transaction, so each request needs one of its own.
    return factories.office()


@pytest.fixture
def other() -> Company:
    return factories.company()


def rise(write: Callable[[], Any], *companies: Company) -> list[int]:
    """By how much a write in the admin raises the revisions of these companies."""

    def revisions() -> list[int]:
        return [Company.objects.get(pk=company.pk).revision for company in companies]

    before = revisions()
    saved(write())
    return [after - earlier for after, earlier in zip(revisions(), before, strict=True)]


def office_values(office: Office, **changes: Any) -> dict[str, Any]:
    names = ("name", "street", "city", "postcode", "country")
    return {name: getattr(office, name) for name in names} | {"company": office.company_id} | changes


def saved(response: Any) -> None:
    assert response.status_code == 302, response.context["errors"]


def test_a_new_office_bumps_its_company(admin_client: Any, place: Office, other: Company) -> None:
    assert rise(
        lambda: admin_client.post(url(Office, "add"), office_values(place, name="New")), place.company, other
    ) == [1, 0]


def test_an_office_that_is_edited_bumps_its_company(admin_client: Any, place: Office, other: Company) -> None:
    assert rise(
        lambda: admin_client.post(url(Office, "change", place.pk), office_values(place, city="Bremen")),
        place.company,
        other,
    ) == [1, 0]


def test_an_office_does_not_move_to_another_company(admin_client: Any, place: Office, other: Company) -> None:
    factories.member(place)
    saved(admin_client.post(url(Office, "change", place.pk), office_values(place, company=other.pk)))
    assert Office.objects.get(pk=place.pk).company_id == place.company_id


def test_an_office_that_is_deleted_bumps_its_company(admin_client: Any, place: Office) -> None:
    assert rise(lambda: admin_client.post(url(Office, "delete", place.pk), {"post": "yes"}), place.company) == [1]
    assert not Office.objects.exists()


def test_offices_deleted_from_the_list_bump_their_companies(admin_client: Any, place: Office) -> None:
    second = factories.office()
    chosen = {"action": "delete_selected", "_selected_action": [place.pk, second.pk], "post": "yes"}
    assert rise(lambda: admin_client.post(url(Office, "changelist"), chosen), place.company, second.company) == [1, 1]


def test_a_company_that_is_renamed_is_bumped(admin_client: Any, place: Office) -> None:
    assert rise(
        lambda: admin_client.post(url(Company, "change", place.company_id), {"name": "New", "slug": "new"}),
        place.company,
    ) == [1]


def test_a_new_membership_bumps_its_company(admin_client: Any, place: Office, other: Company) -> None:
    values = {"user": factories.user().pk, "company": place.company_id, "role": Role.BUYER}
    assert rise(lambda: admin_client.post(url(Membership, "add"), values), place.company, other) == [1, 0]


def test_a_membership_that_moves_bumps_both_companies(admin_client: Any, place: Office, other: Company) -> None:
    membership = factories.member(place.company).memberships.get()
    values = {"user": membership.user_id, "company": other.pk, "role": Role.BUYER}
    assert rise(lambda: admin_client.post(url(Membership, "change", membership.pk), values), place.company, other) == [
        1,
        1,
    ]


def test_a_membership_that_ends_bumps_its_company(admin_client: Any, place: Office) -> None:
    membership = factories.member(place).memberships.get()
    assert rise(
        lambda: admin_client.post(url(Membership, "delete", membership.pk), {"post": "yes"}), place.company
    ) == [1]


def test_a_membership_in_an_office_of_another_company_is_refused(admin_client: Any, place: Office) -> None:
    values = {"user": factories.user().pk, "company": factories.company().pk, "office": place.pk, "role": Role.BUYER}
    response = admin_client.post(url(Membership, "add"), values)
    assert response.status_code == 200
    assert "office" in response.context["adminform"].form.errors


def test_an_address_bumps_the_companies_of_its_user(admin_client: Any, place: Office, other: Company) -> None:
    address = factories.member(place).addresses.get()
    values = {"user": address.user_id, "street": "a", "city": "b", "postcode": "c", "country": "DK", "active": "on"}
    assert rise(lambda: admin_client.post(url(Address, "change", address.pk), values), place.company, other) == [1, 0]


def test_an_address_that_is_deleted_bumps_the_companies_of_its_user(admin_client: Any, place: Office) -> None:
    address = factories.member(place).addresses.get()
    assert rise(lambda: admin_client.post(url(Address, "delete", address.pk), {"post": "yes"}), place.company) == [1]


def test_a_second_active_address_is_refused_with_a_message(admin_client: Any, place: Office) -> None:
    member = factories.member(place)
    values = {"user": member.pk, "street": "a", "city": "b", "postcode": "c", "country": "DK", "active": "on"}
    response = admin_client.post(url(Address, "add"), values)
    assert response.status_code == 200
    assert response.context["errors"]


def test_a_user_who_is_deleted_bumps_their_companies(admin_client: Any, place: Office) -> None:
    member = factories.member(place)
    assert rise(lambda: admin_client.post(url(User, "delete", member.pk), {"post": "yes"}), place.company) == [1]


def test_a_product_bumps_no_company(admin_client: Any, place: Office) -> None:
    product = factories.product()
    values = {"sku": product.sku, "name": "New", "unit_price": "1.00", "currency": "EUR", "active": "on"}
    assert rise(lambda: admin_client.post(url(Product, "change", product.pk), values), place.company) == [0]
