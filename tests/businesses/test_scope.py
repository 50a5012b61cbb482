"""What memberships allow: roles, and the rows that they make visible."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from businesses.models import Company, Membership, Office, Role, User
from businesses.scope import Grant, Scope, reaches, scope_of
from orders.models import Order
from tests import factories

WHOLE, SINGLE, ELSEWHERE = Grant(1, None, Role.BUYER), Grant(2, 20, Role.APPROVER), Grant(3, 30, Role.VIEWER)


def scope(*grants: Grant) -> Scope:
    return Scope(1, grants, {})


def test_a_scope_is_built_of_membership_rows() -> None:
    built = scope_of(7, [(1, None, "buyer", 5), (2, 20, "viewer", 9)])
    assert built.grants == (Grant(1, None, Role.BUYER), Grant(2, 20, Role.VIEWER))
    assert built.revisions == {1: 5, 2: 9}


def test_a_row_without_a_membership_grants_nothing() -> None:
    assert scope_of(7, [(None, None, None, None)]) == Scope(7, (), {})


def test_companies_are_those_with_a_visible_office() -> None:
    assert scope(WHOLE, SINGLE).companies() == {1, 2}


@pytest.mark.parametrize(
    ("company", "office", "role"),
    [
        (1, 10, Role.BUYER),  # every office of the company
        (1, 11, Role.BUYER),
        (2, 20, Role.APPROVER),  # this one
        (2, 21, None),  # another of the same company
        (9, 20, None),  # another company
    ],
)
def test_the_role_at_an_office(company: int, office: int, role: Role | None) -> None:
    assert scope(WHOLE, SINGLE).role(company, office) == role


def test_the_highest_of_several_roles_counts() -> None:
    mixed = scope(Grant(1, None, Role.VIEWER), Grant(1, 10, Role.OWNER), Grant(1, 11, Role.BUYER))
    assert [mixed.role(1, office) for office in (10, 11, 12)] == [Role.OWNER, Role.BUYER, Role.VIEWER]


@pytest.mark.parametrize("held", Role)
@pytest.mark.parametrize("needed", Role)
def test_each_role_may_do_what_the_ones_before_it_may(held: Role, needed: Role) -> None:
    order = list(Role)
    assert reaches(scope(Grant(1, None, held)).role(1, 10), needed) == (order.index(held) >= order.index(needed))


@pytest.mark.parametrize("role", Role)
def test_a_stranger_may_nothing(role: Role) -> None:
    assert not reaches(scope(WHOLE).role(2, 20), role)


# --- companies_for(): the same question, before the office's company is known


GRANTS = [
    Grant(1, None, Role.VIEWER),
    Grant(1, 10, Role.BUYER),
    Grant(2, None, Role.APPROVER),
    Grant(3, 30, Role.OWNER),
    Grant(3, 31, Role.VIEWER),
]


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("office", [10, 11, 20, 30, 31, 32])
def test_an_office_of_one_of_these_companies_is_an_office_where_the_role_is_held(role: Role, office: int) -> None:
    person, company = scope(*GRANTS), office // 10
    assert (company in person.companies_for(role, office)) == reaches(person.role(company, office), role)


# --- within(): the rows


class Place:
    """Two companies of two offices each, with an order of each office."""

    def __init__(self) -> None:
        self.member = factories.user()
        self.companies = [factories.company(), factories.company()]
        self.offices = [factories.office(company) for company in self.companies for _ in range(2)]
        for office in self.offices:
            factories.order(office, self.member)

    def scope(self, whole: Iterable[int], single: Iterable[int]) -> Scope:
        """The scope of a viewer of whole companies and single offices, by their positions here."""
        grants = [Grant(self.companies[position].pk, None, Role.VIEWER) for position in whole]
        grants += [
            Grant(self.offices[position].company_id, self.offices[position].pk, Role.VIEWER) for position in single
        ]
        return scope(*grants)


MIXES = [
    ([], [], []),
    ([0], [], [0, 1]),
    ([0, 1], [], [0, 1, 2, 3]),
    ([], [1], [1]),
    ([], [1, 2], [1, 2]),
    ([0], [2], [0, 1, 2]),
    ([0], [0], [0, 1]),  # the whole company, and again one office of it
    ([1], [0, 3], [0, 2, 3]),
]


@pytest.mark.django_db
@pytest.mark.parametrize(("whole", "single", "visible"), MIXES)
def test_offices_within_a_scope(whole: list[int], single: list[int], visible: list[int]) -> None:
    place = Place()
    condition = place.scope(whole, single).within(company="company", office="pk")
    found = Office.objects.filter(condition).order_by("pk")
    assert list(found) == [place.offices[position] for position in visible]


@pytest.mark.django_db
@pytest.mark.parametrize(("whole", "single", "visible"), MIXES)
def test_orders_within_a_scope(whole: list[int], single: list[int], visible: list[int]) -> None:
    place = Place()
    condition = place.scope(whole, single).within(company="company", office="office")
    found = Order.objects.filter(condition).order_by("office").values_list("office", flat=True)
    assert list(found) == [place.offices[position].pk for position in visible]


@pytest.mark.django_db
def test_nothing_is_visible_without_memberships_and_no_query_says_so(django_assert_num_queries: object) -> None:
    assert list(Office.objects.filter(scope().within(company="company", office="pk"))) == []


@pytest.mark.django_db
def test_one_company_is_an_equality_that_its_index_answers() -> None:
    sql = str(Order.objects.filter(scope(WHOLE).within(company="company", office="office")).query)
    assert '"company_id" IN (1)' in sql
    assert "OR" not in sql.split("WHERE")[1]


@pytest.mark.django_db
def test_the_scope_follows_the_memberships() -> None:
    person: User = factories.member(factories.company())
    rows = Membership.objects.filter(user=person).values_list("company", "office", "role", "company__revision")
    assert scope_of(person.pk, rows).companies() == set(Company.objects.values_list("pk", flat=True))
