"""The roles that SQL looks up are those that `Grants.role` gives, of each office that is visible."""

from __future__ import annotations

import pytest

from businesses.models import Role
from businesses.scope import Grant
from orders.fast import visible_roles
from tests.businesses.test_scope import ELSEWHERE, GRANTS, SINGLE, WHOLE, granted


@pytest.mark.parametrize(
    "grants",
    [
        GRANTS,
        [WHOLE, SINGLE, ELSEWHERE],
        [Grant(1, None, Role.APPROVER), Grant(1, 10, Role.VIEWER), Grant(1, 11, Role.OWNER)],
        [Grant(1, None, Role.VIEWER), Grant(1, 10, Role.OWNER), Grant(1, 11, Role.OWNER)],
        [Grant(1, office, Role.OWNER if office % 3 else Role.VIEWER) for office in range(10, 20)],
    ],
)
def test_a_visible_offices_role_is_its_own_or_else_its_companys(grants: list[Grant]) -> None:
    person = granted(*grants)
    visible = {(company, office or 999) for company, office, _ in grants}
    for company, office in visible:
        found = visible_roles(person).get((company, office)) or visible_roles(person)[company, None]
        assert found == person.role(company, office)


def test_offices_with_the_usual_role_are_not_named() -> None:
    offices = [Grant(1, office, Role.BUYER) for office in range(10, 1010)]
    assert visible_roles(granted(*offices)) == {(1, None): Role.BUYER}
    assert visible_roles(granted(*offices, Grant(1, 9, Role.OWNER))) == {(1, None): Role.BUYER, (1, 9): Role.OWNER}


def test_nobody_has_a_role_without_grants() -> None:
    assert visible_roles(granted()) == {}
