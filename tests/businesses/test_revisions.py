"""One integer a company: raised under a lock, in the order of commits, never lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from businesses import revisions
from businesses.models import Address, Company, Membership, Office, User
from orders.models import Product
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


# --- Which companies show a row


@pytest.fixture
def member(db: None) -> User:
    return factories.member(factories.company())


def companies_of(user: User) -> set[int]:
    return set(user.memberships.values_list("company", flat=True))


def test_a_company_shows_itself(member: User) -> None:
    company = Company.objects.get()
    assert revisions.showing([company]) == {company.pk}


def test_an_office_is_shown_by_its_company(member: User) -> None:
    office = factories.office()
    assert revisions.showing([office]) == {office.company_id}


def test_a_user_is_shown_by_every_company_of_theirs(member: User) -> None:
    Membership.objects.create(user=member, company=factories.company(), role="viewer")
    assert revisions.showing([member]) == companies_of(member)
    assert len(companies_of(member)) == 2


def test_an_address_is_shown_where_its_user_is(member: User) -> None:
    assert revisions.showing(Address.objects.all()) == companies_of(member)


def test_a_user_who_has_left_is_shown_by_the_company_of_their_orders(member: User) -> None:
    office = factories.office()
    factories.order(office, member)
    member.memberships.all().delete()
    assert revisions.showing([member]) == {office.company_id}


def test_rows_of_several_models_are_asked_for_together(member: User) -> None:
    office: Office = factories.office()
    assert revisions.showing([member, office]) == companies_of(member) | {office.company_id}


@pytest.mark.django_db
def test_the_catalogue_is_shown_by_no_company() -> None:
    assert revisions.showing([factories.product()]) == set()
    assert Product not in revisions.shown()
