"""What the database itself refuses, whoever writes."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models import ProtectedError

from businesses.models import Address, Membership, Office, Role, User
from orders.models import Order, OrderEvent, OrderLine, Product
from tests import factories

pytestmark = pytest.mark.django_db


@pytest.fixture
def office() -> Office:
    return factories.office()


@pytest.fixture
def member(office: Office) -> User:
    return factories.member(office)


@pytest.fixture
def order(office: Office, member: User) -> Order:
    return factories.order(office, member)


def assert_refused(constraint: str, queryset: models.QuerySet[Any], **changes: Any) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        queryset.update(**changes)
        connection.check_constraints()  # composite foreign keys are checked at the commit


def copy_of(row: models.Model, **changes: Any) -> models.Model:
    values = {field.attname: getattr(row, field.attname) for field in row._meta.concrete_fields if not field.generated}
    values.pop("id")
    return type(row)(**(values | changes))


def assert_copy_refused(constraint: str, row: models.Model, **changes: Any) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
        copy_of(row, **changes).save(force_insert=True)


# --- People and places


def test_a_user_has_one_active_address_at_most(member: User) -> None:
    assert_copy_refused("one_active_address", member.addresses.get())


def test_a_user_may_have_many_inactive_addresses(member: User) -> None:
    for _ in range(2):
        copy_of(member.addresses.get(active=True), active=False).save()
    assert Address.objects.filter(user=member).count() == 3


def test_a_user_has_one_membership_in_an_office(member: User) -> None:
    assert_copy_refused("one_membership_per_office", member.memberships.get(), role=Role.VIEWER)


def test_a_user_has_one_membership_in_all_offices_of_a_company(office: Office) -> None:
    membership = factories.member(office.company).memberships.get()
    assert_copy_refused("one_membership_for_all_offices", membership, role=Role.VIEWER)


def test_a_user_may_hold_a_role_in_all_offices_and_another_in_one(member: User, office: Office) -> None:
    Membership.objects.create(user=member, company=office.company, role=Role.VIEWER)
    assert member.memberships.count() == 2


def test_a_role_is_one_that_there_is(member: User) -> None:
    assert_refused("membership_role_is_known", Membership.objects.all(), role="emperor")


def test_a_memberships_office_is_of_its_company(member: User) -> None:
    assert_refused("membership_office_of_company", Membership.objects.all(), office=factories.office())


def test_a_membership_of_all_offices_needs_none(office: Office) -> None:
    factories.member(office.company)
    connection.check_constraints()


def test_an_office_with_members_does_not_change_its_company(member: User, office: Office) -> None:
    assert_refused("office_of_company", Office.objects.filter(pk=office.pk), company=factories.company())


def test_an_office_with_orders_does_not_change_its_company(order: Order, office: Office) -> None:
    Membership.objects.all().delete()
    assert_refused("order_office_of_company", Office.objects.filter(pk=office.pk), company=factories.company())


def test_two_companies_have_two_slugs(office: Office) -> None:
    assert_copy_refused("slug", office.company)


def test_a_company_with_offices_stays(office: Office) -> None:
    with pytest.raises(ProtectedError):
        office.company.delete()


def test_a_user_with_orders_stays(order: Order) -> None:
    with pytest.raises(ProtectedError):
        order.placed_by.delete()


def test_an_active_address_is_read_without_a_plan_too(member: User) -> None:
    assert User.objects.get(pk=member.pk).active_address == member.addresses.get()


def test_an_active_address_is_joined_and_filtered_by(member: User) -> None:
    factories.user()
    assert list(User.objects.filter(active_address__city="København")) == [member]


# --- Orders


def test_an_orders_office_is_of_its_company(order: Order) -> None:
    assert_refused("order_office_of_company", Order.objects.all(), office=factories.office())


def test_an_orders_company_is_that_of_its_office(order: Order) -> None:
    assert_refused("order_office_of_company", Order.objects.all(), company=factories.company())


def test_a_number_is_given_once_in_a_company(order: Order) -> None:
    assert_copy_refused("order_number", order)


def test_another_company_may_use_the_number(order: Order) -> None:
    office = factories.office()
    copy_of(order, office_id=office.pk, company_id=office.company_id).save()


def test_an_idempotency_key_is_used_once_by_a_user(order: Order) -> None:
    Order.objects.update(idempotency_key="k")
    assert_copy_refused("order_idempotency_key", Order.objects.get(), number="other")


def test_orders_without_a_key_are_many(order: Order) -> None:
    copy_of(order, number="other").save()


def test_a_status_is_one_that_there_is(order: Order) -> None:
    assert_refused("order_status_is_known", Order.objects.all(), status="lost")


def test_a_total_is_not_negative(order: Order) -> None:
    assert_refused("order_total_is_not_negative", Order.objects.all(), total=Decimal("-0.01"))


def test_a_position_is_taken_once_in_an_order(order: Order) -> None:
    assert_copy_refused("line_position", OrderLine.objects.filter(order=order)[0])


def test_a_quantity_is_positive(order: Order) -> None:
    assert_refused("line_quantity_is_positive", OrderLine.objects.all(), quantity=0)


@pytest.mark.parametrize("name", ["unit_price", "total"])
def test_a_lines_amounts_are_not_negative(order: Order, name: str) -> None:
    assert_refused("line_amounts_are_not_negative", OrderLine.objects.all(), **{name: Decimal("-0.01")})


def test_a_price_is_not_negative() -> None:
    factories.product()
    assert_refused("product_price_is_not_negative", Product.objects.all(), unit_price=Decimal("-0.01"))


def test_a_sku_is_given_once() -> None:
    assert_copy_refused("sku", factories.product())


def test_an_orders_date_is_its_day_in_utc(office: Office, member: User) -> None:
    at = datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC)
    factories.order(office, member, placed_at=at)
    assert str(Order.objects.get().date) == "2026-01-31"


def test_an_event_is_not_changed(order: Order) -> None:
    assert_refused("append-only", OrderEvent.objects.all(), kind="approved")


def test_an_event_is_not_deleted(order: Order) -> None:
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        OrderEvent.objects.all().delete()
