"""What memberships allow: roles, and the rows that they make visible."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from businesses.models import Company, Membership, Office, Role, User
from businesses.scope import AUDIENCE_LONGEST, Grant, Grants, Scope, reaches, scope_of
from orders.models import Order
from tests import factories

WHOLE, SINGLE, ELSEWHERE = Grant(1, None, Role.BUYER), Grant(2, 20, Role.APPROVER), Grant(3, 30, Role.VIEWER)


def granted(*grants: Grant) -> Grants:
    return Grants(grants)


def test_a_scope_is_built_of_membership_rows() -> None:
    built = scope_of(7, [(1, None, "buyer", 5), (2, 20, "viewer", 9)])
    assert built.grants.all == (Grant(1, None, Role.BUYER), Grant(2, 20, Role.VIEWER))
    assert built.revisions == {1: 5, 2: 9}


def test_no_membership_grants_nothing() -> None:
    built = scope_of(7, [])
    assert (built.user, built.grants.all, built.revisions) == (7, (), {})


def test_companies_are_those_with_a_visible_office() -> None:
    assert granted(WHOLE, SINGLE).companies == {1, 2}


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
    assert granted(WHOLE, SINGLE).role(company, office) == role


def test_the_highest_of_several_roles_counts() -> None:
    mixed = granted(Grant(1, None, Role.VIEWER), Grant(1, 10, Role.OWNER), Grant(1, 11, Role.BUYER))
    assert [mixed.role(1, office) for office in (10, 11, 12)] == [Role.OWNER, Role.BUYER, Role.VIEWER]


@pytest.mark.parametrize("held", Role)
@pytest.mark.parametrize("needed", Role)
def test_each_role_may_do_what_the_ones_before_it_may(held: Role, needed: Role) -> None:
    order = list(Role)
    assert reaches(granted(Grant(1, None, held)).role(1, 10), needed) == (order.index(held) >= order.index(needed))


@pytest.mark.parametrize("role", Role)
def test_a_stranger_may_nothing(role: Role) -> None:
    assert not reaches(granted(WHOLE).role(2, 20), role)


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
    person, company = granted(*GRANTS), office // 10
    assert (company in person.companies_for(role, office)) == reaches(person.role(company, office), role)


# --- Who shares an answer


def audience(user: int, *grants: Grant) -> str:
    return Scope(user, granted(*grants), {}).audience


MANY = [Grant(1, office, Role.VIEWER) for office in range(10, 1010)]


def test_equal_grants_are_one_audience_in_any_order() -> None:
    assert audience(1, ELSEWHERE, SINGLE) == audience(2, SINGLE, ELSEWHERE)
    assert audience(1, *MANY) == audience(2, *reversed(MANY))


def test_others_are_another_audience() -> None:
    others = [[], [ELSEWHERE], [SINGLE], [ELSEWHERE, SINGLE], MANY, MANY[1:]]
    others += [[*MANY[1:], Grant(1, 10, Role.OWNER)], [*MANY, Grant(9, 90, Role.VIEWER)]]
    others += [[Grant(3, None, Role.VIEWER)], [Grant(3, 30, Role.APPROVER)], [Grant(4, 30, Role.VIEWER)]]
    assert len({audience(1, *grants) for grants in others}) == len(others)


@pytest.mark.parametrize("more", [[], MANY])
def test_a_buyer_shares_with_nobody(more: list[Grant]) -> None:
    assert audience(1, WHOLE, *more) != audience(2, WHOLE, *more)


def test_many_grants_take_no_longer_text_than_some() -> None:
    assert len(audience(1, *MANY)) < AUDIENCE_LONGEST


# --- within(): the rows


class Place:
    """Two companies of two offices each, with an order of each office."""

    def __init__(self) -> None:
        self.member = factories.user()
        self.companies = [factories.company(), factories.company()]
        self.offices = [factories.office(company) for company in self.companies for _ in range(2)]
        for office in self.offices:
            factories.order(office, self.member)

    def grants(self, whole: Iterable[int], single: Iterable[int]) -> Grants:
        """Those of a viewer of whole companies and single offices, by their positions here."""
        grants = [Grant(self.companies[position].pk, None, Role.VIEWER) for position in whole]
        grants += [
            Grant(self.offices[position].company_id, self.offices[position].pk, Role.VIEWER) for position in single
        ]
        return Grants(tuple(grants))


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
    condition = place.grants(whole, single).within(company="company", office="pk")
    found = Office.objects.filter(condition).order_by("pk")
    assert list(found) == [place.offices[position] for position in visible]


@pytest.mark.django_db
@pytest.mark.parametrize(("whole", "single", "visible"), MIXES)
def test_orders_within_a_scope(whole: list[int], single: list[int], visible: list[int]) -> None:
    place = Place()
    condition = place.grants(whole, single).within(company="company", office="office")
    found = Order.objects.filter(condition).order_by("office").values_list("office", flat=True)
    assert list(found) == [place.offices[position].pk for position in visible]


@pytest.mark.django_db
def test_nothing_is_visible_without_memberships_and_no_query_says_so(django_assert_num_queries: object) -> None:
    assert list(Office.objects.filter(granted().within(company="company", office="pk"))) == []


@pytest.mark.django_db
def test_one_company_is_an_equality_that_its_index_answers() -> None:
    sql = str(Order.objects.filter(granted(WHOLE).within(company="company", office="office")).query)
    assert '"company_id" IN (1)' in sql
    assert "OR" not in sql.split("WHERE")[1]


@pytest.mark.django_db
def test_single_offices_are_asked_for_with_their_company_whose_index_has_their_order() -> None:
    sql = str(Order.objects.filter(granted(SINGLE).within(company="company", office="office")).query)
    assert '"company_id" IN (2) AND "orders_order"."office_id" IN (20)' in sql


@pytest.mark.django_db
def test_any_number_of_offices_is_one_parameter() -> None:
    offices = [Grant(2, office, Role.VIEWER) for office in range(1000)]
    query = Order.objects.filter(granted(*offices).within(company="company", office="office")).query
    sql, parameters = query.sql_with_params()
    assert '"orders_order"."office_id" = ANY (%s)' in sql
    assert [type(parameter) for parameter in parameters] == [int, str]


@pytest.mark.django_db
def test_the_scope_follows_the_memberships() -> None:
    person: User = factories.member(factories.company())
    rows = Membership.objects.filter(user=person).values_list("company", "office", "role", "company__revision")
    assert scope_of(person.pk, rows).grants.companies == set(Company.objects.values_list("pk", flat=True))
