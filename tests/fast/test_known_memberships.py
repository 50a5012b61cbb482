"""A process that knows a user's memberships isn't told them again, and no change of theirs escapes it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from knox.crypto import hash_token
from knox.models import get_token_model
from knox.settings import CONSTANTS

from businesses import fast as authentication
from businesses import tokens
from businesses.authentication import resolve
from businesses.models import Company, Membership, Office, Role, User
from businesses.scope import scope_of
from fast.statements import ANY
from tests import factories
from tests.config.processes import started

pytestmark = pytest.mark.django_db(transaction=True)

Rows = list[tuple[Any, ...]]
Change = Callable[[User], object]


class Undone(Exception):  # noqa: N818
    pass


def member() -> User:
    """Somebody with a whole company, and two offices of another."""
    person = factories.member(factories.company(), Role.VIEWER)
    company = factories.company()
    for role in (Role.BUYER, Role.APPROVER):
        office = factories.office(company)
        Membership.objects.create(user=person, company=company, office=office, role=role)
    return person


def token_of(person: User) -> str:
    return tokens.issue(person)[0]


def held(token: str) -> set[tuple[Any, ...]]:
    return set(resolve(token)[1].grants.all)


def written(person: User) -> set[tuple[Any, ...]]:
    """What the table says."""
    return set(Membership.objects.filter(user=person).values_list("company", "office", "role"))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> Rows:
    """The rows that the database gave for tokens."""
    rows, ask = [], type(authentication.tokens()).rows

    def asked(statement: Any, *args: Any, **values: Any) -> Any:
        found = ask(statement, *args, **values)
        rows.extend(found if statement is authentication.tokens() else [])
        return found

    monkeypatch.setattr(type(authentication.tokens()), "rows", asked)
    return rows


# --- What is known


def test_memberships_are_told_once(told: Rows) -> None:
    token = token_of(member())
    first, second = resolve(token)[1], resolve(token)[1]
    assert [row[2] is None for row in told] == [False, True]
    assert first == second
    assert len(first.grants.all) == 3


def test_what_was_found_out_of_them_stays_when_a_company_changes() -> None:
    person = member()
    token = token_of(person)
    before = resolve(token)[1]
    Company.objects.update(name="another")
    after = resolve(token)[1]
    assert after.grants is before.grants
    assert after.revisions == {company: revision + 1 for company, revision in before.revisions.items()}
    assert after.stamp != before.stamp


def test_who_has_none_is_known_too(told: Rows) -> None:
    token = token_of(factories.user())
    assert [resolve(token)[1].grants.all for _ in range(2)] == [(), ()]
    assert told[1][2] is None


def test_tokens_that_start_alike_are_not_taken_for_each_other() -> None:
    people = [member(), member()]
    mine, theirs = map(token_of, people)
    alike = mine[: CONSTANTS.TOKEN_KEY_LENGTH]
    theirs = alike + theirs[len(alike) :]
    get_token_model().objects.filter(user=people[1]).update(token_key=alike, digest=hash_token(theirs))
    for _ in range(2):
        for person, token in zip(people, (mine, theirs), strict=True):
            assert held(token) == written(person)
            assert resolve(token)[1].revisions.keys() == {company for company, _, _ in written(person)}


def test_a_token_that_is_handed_over_brings_its_new_users_memberships() -> None:
    people = [member(), member()]
    token = token_of(people[0])
    assert held(token) == written(people[0])
    get_token_model().objects.update(user=people[1])  # whose memberships have the same revision
    for _ in range(2):
        assert held(token) == written(people[1])


def test_not_more_are_known_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(authentication.known, "most", 2)
    people = [member() for _ in range(5)]
    asked = [(person, token_of(person)) for person in people]
    for person, token in asked * 2:
        assert held(token) == written(person)
        assert len(authentication.known._values) <= 2


# --- What changes them


def add(person: User) -> object:
    return factories.member(factories.company()).memberships.update(user=person)


def add_many(person: User) -> object:
    offices = [factories.office() for _ in range(3)]
    return Membership.objects.bulk_create(
        Membership(user=person, company=office.company, office=office, role=Role.OWNER) for office in offices
    )


def promote(person: User) -> object:
    return person.memberships.update(role=Role.OWNER)


def save(person: User) -> object:
    membership = person.memberships.order_by("pk")[0]
    membership.role = Role.APPROVER
    membership.save()
    return membership


def narrow(person: User) -> object:
    membership = person.memberships.get(office=None)
    return Membership.objects.filter(pk=membership.pk).update(office=factories.office(membership.company))


def leave_one(person: User) -> object:
    return person.memberships.order_by("pk")[0].delete()


def leave(person: User) -> object:
    return person.memberships.all().delete()


def hand_over(person: User) -> object:
    return person.memberships.update(user=factories.user())


def in_sql(person: User) -> object:
    with connection.cursor() as cursor:
        return cursor.execute("DELETE FROM businesses_membership WHERE office_id IS NOT NULL")


def there_and_back(person: User) -> object:
    person.memberships.update(role=Role.OWNER)
    return person.memberships.update(role=Role.VIEWER)


CHANGES = [add, add_many, promote, save, narrow, leave_one, leave, hand_over, in_sql, there_and_back]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_holds_from_the_next_request_on(change: Change) -> None:
    person, other = member(), member()
    mine, theirs = token_of(person), token_of(other)
    before = held(mine), held(theirs)
    assert before == (written(person), written(other))
    change(person)
    assert written(person) != before[0]
    for _ in range(2):
        assert (held(mine), held(theirs)) == (written(person), written(other))
        assert resolve(mine)[1].revisions == dict(
            Company.objects.filter(memberships__user=person).values_list("pk", "revision")
        )


def test_who_gets_a_membership_of_somebody_else_has_it_at_once() -> None:
    person, heir = member(), factories.user()
    token = token_of(heir)
    assert held(token) == set()
    person.memberships.update(user=heir)
    assert held(token) == written(heir) != set()


@pytest.mark.query_budget(None, reason="two requests are told apart, not counted")
def test_a_request_after_the_change_is_refused(client_of: Any) -> None:
    office: Office = factories.office()
    person = factories.member(office, Role.BUYER)
    order, client = factories.order(office, person), client_of(person)
    for _ in range(3):
        assert order.number.encode() in client.get("/api/orders").content
        assert client.get(f"/api/orders/{order.pk}").status_code == 200
    person.memberships.all().delete()
    assert client.get(f"/api/orders/{order.pk}").status_code == 404
    assert order.number.encode() not in client.get("/api/orders").content


# --- Transactions


def test_inside_a_transaction_nothing_is_known_or_remembered(told: Rows) -> None:
    person = member()
    token = token_of(person)
    with pytest.raises(Undone), transaction.atomic():
        promote(person)
        assert held(token) == held(token) == written(person)
        raise Undone
    assert [row[2] is None for row in told] == [False, False]
    leave_one(person)  # which has the revision that was rolled back
    assert held(token) == written(person)


def test_what_is_rolled_back_leaves_no_revision_to_something_else() -> None:
    person = member()
    token = token_of(person)
    held(token)
    with transaction.atomic():
        with pytest.raises(Undone), transaction.atomic():
            promote(person)
            assert held(token) == written(person)
            raise Undone
        leave_one(person)
        assert held(token) == written(person)
    assert held(token) == written(person)


def test_two_changes_at_once_never_have_the_same_revision() -> None:
    person, together, each = factories.user(), threading.Barrier(4), 10
    offices = [factories.office() for _ in range(4 * each)]
    token = token_of(person)
    held(token)

    def work(number: int) -> None:
        try:
            together.wait()
            for office in offices[number * each : (number + 1) * each]:
                Membership.objects.create(user=person, company=office.company, office=office, role=Role.BUYER)
                assert held(token) >= {(office.company_id, office.pk, Role.BUYER)}
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    ((_, revision, *_),) = authentication.tokens().rows(
        "default", ANY, key=token[: CONSTANTS.TOKEN_KEY_LENGTH], user=-1, revision=-1, companies="{}"
    )
    assert revision == len(offices)
    assert held(token) == written(person)


def test_a_change_is_locked_against_another_of_the_same_user_until_the_commit() -> None:
    person, started = member(), threading.Event()

    def another() -> None:
        try:
            started.set()
            add(person)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            person.memberships.update(role=Role.OWNER)
            waiting = pool.submit(another)
            started.wait()
            with pytest.raises(TimeoutError):
                waiting.result(timeout=1)
        waiting.result(timeout=20)


# --- Who is of which revision is what `scope_of` makes of the table


def test_the_scope_is_the_one_that_the_table_gives() -> None:
    person = member()
    token = token_of(person)
    rows = list(person.memberships.values_list("company", "office", "role", "company__revision"))
    expected = scope_of(person.pk, rows)
    for _ in range(2):
        scope = resolve(token)[1]
        assert (scope.audience, scope.stamp) == (expected.audience, expected.stamp)


# --- SQLite, which has triggers of its own

ON_SQLITE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from businesses.models import Company, Membership
from tests import factories
from tests.config.processes import started
from tests.fast import test_known_memberships as cases

for change in cases.CHANGES:
    if change is not cases.in_sql:
        person, heir = cases.member(), factories.user()
        tokens = {one: cases.token_of(one) for one in (person, heir)}
        for step in (lambda: None, lambda: change(person), lambda: person.memberships.update(user=heir)):
            step()
            for one, token in tokens.items():
                assert cases.held(token) == cases.held(token) == cases.written(one), change
                revisions = Company.objects.filter(memberships__user=one).values_list("pk", "revision")
                assert cases.resolve(token)[1].revisions == dict(revisions), change
assert len(cases.authentication.known._values) == 2 * (len(cases.CHANGES) - 1)
"""


def test_it_is_the_same_on_sqlite(tmp_path: Path) -> None:
    sqlite = f"sqlite:///{tmp_path / 'orders.sqlite3'}"
    with started(
        "-c", ON_SQLITE, DJANGO_SETTINGS_MODULE="config.settings", DATABASE_URL=sqlite, REDIS_URL=""
    ) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
