"""One integer a company: raised under a lock, in the order of commits, never lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from api.models import Revision
from businesses import revisions
from businesses.models import Address, Company, Membership, Office, User
from orders.models import Order
from tests import factories


@pytest.mark.django_db
def test_a_bump_returns_the_new_numbers() -> None:
    fresh, old = factories.company(), factories.company(revision=41)
    assert revisions.bump([fresh.pk, old.pk, old.pk]) == {fresh.pk: 1, old.pk: 42}
    assert set(Company.objects.values_list("revision", flat=True)) == {1, 42}


@pytest.mark.django_db
def test_a_bump_leaves_other_companies_alone() -> None:
    bumped, other = factories.company(), factories.company()
    revisions.bump([bumped.pk])
    other.refresh_from_db()
    assert other.revision == 0


@pytest.mark.django_db
def test_a_bump_of_nothing_asks_nothing(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert revisions.bump([]) == {}


@pytest.mark.django_db
def test_a_company_that_is_gone_is_left_out() -> None:
    assert revisions.bump([10**6]) == {}


@pytest.mark.django_db
def test_a_bump_is_one_statement_that_locks_in_the_order_of_ids() -> None:
    companies = [factories.company().pk for _ in range(3)]
    with CaptureQueriesContext(connection) as captured:
        revisions.bump(reversed(companies))
    (sql,) = [query["sql"] for query in captured]
    assert "ORDER BY id FOR UPDATE" in sql
    assert f"({', '.join(map(str, companies))})" in sql


@pytest.mark.django_db
def test_the_company_of_an_office_is_bumped_and_no_other() -> None:
    office, other = factories.office(factories.company(revision=40)), factories.company()  # an office makes it 41
    assert revisions.bump_of(office.pk, [other.pk, office.company_id]) == (office.company_id, 42)
    assert dict(Company.objects.values_list("pk", "revision")) == {office.company_id: 42, other.pk: 0}


@pytest.mark.django_db
def test_an_office_of_another_company_or_of_none_bumps_nothing() -> None:
    office, other = factories.office(), factories.office()
    assert revisions.bump_of(office.pk, [other.company_id]) is None
    assert revisions.bump_of(10**6, [office.company_id, other.company_id]) is None
    assert set(Company.objects.values_list("revision", flat=True)) == {1}  # by the offices


@pytest.mark.django_db
def test_an_office_among_no_companies_asks_nothing(django_assert_num_queries: Any) -> None:
    office = factories.office()
    with django_assert_num_queries(0):
        assert revisions.bump_of(office.pk, []) is None


@pytest.mark.django_db(transaction=True)
def test_a_bump_outside_a_transaction_is_refused() -> None:
    company = factories.company()
    with pytest.raises(AssertionError, match="outside the transaction"):
        revisions.bump([company.pk])


@pytest.mark.django_db(transaction=True)
def test_a_bump_is_undone_with_its_transaction() -> None:
    company = factories.company()

    class Undone(Exception):  # noqa: N818
        pass

    with pytest.raises(Undone), transaction.atomic():
        revisions.bump([company.pk])
        raise Undone
    company.refresh_from_db()
    assert company.revision == 0


@pytest.mark.django_db(transaction=True)
def test_a_bumped_company_is_locked_until_the_commit() -> None:
    company = factories.company()

    def lock() -> bool:
        try:
            with transaction.atomic():
                return Company.objects.select_for_update(nowait=True).filter(pk=company.pk).exists()
        except OperationalError:
            return False
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as other:
        with transaction.atomic():
            revisions.bump([company.pk])
            assert not other.submit(lock).result()
        assert other.submit(lock).result()


@pytest.mark.django_db(transaction=True)
def test_concurrent_bumps_lose_none_and_repeat_none() -> None:
    company, threads, each = factories.company(), 8, 25
    together = threading.Barrier(threads)

    def work(_: int) -> list[int]:
        try:
            together.wait()
            seen = []
            for _ in range(each):
                with transaction.atomic():
                    seen.append(revisions.bump([company.pk])[company.pk])
            return seen
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        numbers = [number for seen in pool.map(work, range(threads)) for number in seen]
    assert sorted(numbers) == list(range(1, threads * each + 1))


@pytest.mark.django_db(transaction=True)
def test_writers_of_the_same_companies_do_not_wait_for_each_other_for_ever() -> None:
    companies = [factories.company().pk for _ in range(4)]
    together = threading.Barrier(8)

    def work(number: int) -> None:
        try:
            together.wait()
            for _ in range(15):
                with transaction.atomic():
                    revisions.bump(companies if number % 2 else reversed(companies))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))  # a deadlock would be an OperationalError
    assert set(Company.objects.values_list("revision", flat=True)) == {8 * 15}


# --- What the database sees to


def rise(write: Callable[[], Any], *companies: Company) -> list[int]:
    """By how much a write raises the revisions of these companies."""

    def numbers() -> list[int]:
        return [Company.objects.get(pk=company.pk).revision for company in companies]

    before = numbers()
    write()
    return [after - earlier for after, earlier in zip(numbers(), before, strict=True)]


@pytest.fixture
def order(transactional_db: None) -> Order:
    """An order of a member who has another company too."""
    office = factories.office()
    placed = factories.order(office, factories.member(office.company))
    Membership.objects.create(user=placed.placed_by, company=factories.company(), role="viewer")
    return placed


def other_company(order: Order) -> Company:
    return Company.objects.exclude(pk=order.company_id).get()


def test_a_user_is_shown_by_every_company_of_theirs(order: Order) -> None:
    users = User.objects.filter(pk=order.placed_by_id)
    assert rise(lambda: users.update(first_name="New"), order.company, other_company(order)) == [1, 1]


def test_an_address_is_shown_where_its_user_is(order: Order) -> None:
    assert rise(lambda: Address.objects.update(city="New"), order.company, other_company(order)) == [1, 1]


def test_a_user_who_has_left_is_shown_by_the_company_of_their_orders(order: Order) -> None:
    companies = order.company, other_company(order)
    order.placed_by.memberships.all().delete()
    assert rise(lambda: User.objects.update(last_name="New"), *companies) == [1, 0]
    assert rise(lambda: Address.objects.update(city="New"), *companies) == [1, 0]


def test_a_user_is_shown_by_the_company_of_an_order_that_they_acted_on(order: Order) -> None:
    actor = factories.user()
    order.events.create(actor=actor, kind="approved", at=order.placed_at)
    users = User.objects.filter(pk=actor.pk)
    assert rise(lambda: users.update(first_name="New"), order.company, other_company(order)) == [1, 0]


def test_a_login_changes_nothing_that_is_shown(order: Order) -> None:
    assert rise(lambda: User.objects.update(last_login=order.placed_at), order.company) == [0]


def test_a_transaction_raises_a_company_once(order: Order) -> None:
    def write() -> None:
        with transaction.atomic():
            Office.objects.update(name="one")
            Order.objects.update(currency="CHF")
            Address.objects.update(city="New")

    assert rise(write, order.company) == [1]


def test_a_row_saved_as_it_was_read_does_not_take_revisions_back(order: Order) -> None:
    company, user = Company.objects.get(pk=order.company_id), User.objects.get(pk=order.placed_by_id)
    Office.objects.update(name="New")
    Address.objects.update(city="New")
    own = User.objects.get(pk=user.pk).revision
    assert rise(company.save, order.company) == [1]
    user.save()
    assert User.objects.get(pk=user.pk).revision >= own


def test_the_catalogue_is_shown_by_no_company(order: Order) -> None:
    def number() -> int:
        return sum(Revision.objects.filter(name=Revision.CATALOGUE).values_list("value", flat=True))

    before = number()
    assert rise(factories.product, order.company) == [0]
    assert number() == before + 1
