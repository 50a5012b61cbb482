"""/api/offices: those that one's memberships show."""

from __future__ import annotations

from typing import Any

import pytest

from businesses.models import Role
from tests import factories

pytestmark = pytest.mark.django_db


def ids(response: Any) -> set[int]:
    return {row["id"] for row in response.json()["results"]}


def test_an_office_is_shown_with_its_company_in_short(client_of: Any) -> None:
    office = factories.office(name="Nord")
    shown = client_of(factories.member(office.company)).get(f"/api/offices/{office.pk}").json()
    assert shown == {
        "id": office.pk,
        "name": "Nord",
        "street": "Lindenweg 1",
        "city": "Berlin",
        "postcode": "10115",
        "country": "DE",
        "company": {"id": office.company_id, "name": office.company.name},
    }


def test_expand_gives_the_company_in_full(client_of: Any) -> None:
    office = factories.office()
    shown = client_of(factories.member(office)).get(f"/api/offices/{office.pk}?expand=company").json()
    assert shown["company"]["slug"] == office.company.slug


def test_a_member_of_the_company_sees_all_its_offices(client_of: Any) -> None:
    office = factories.office()
    second = factories.office(office.company)
    factories.office()
    assert ids(client_of(factories.member(office.company)).get("/api/offices")) == {office.pk, second.pk}


def test_a_member_of_one_office_sees_that_one(client_of: Any) -> None:
    office = factories.office()
    second = factories.office(office.company)
    client = client_of(factories.member(office))
    assert ids(client.get("/api/offices")) == {office.pk}
    assert client.get(f"/api/offices/{second.pk}").status_code == 404


def test_memberships_of_several_companies_add_up(client_of: Any) -> None:
    mine, whole = factories.office(), factories.office()
    hidden = factories.office(mine.company)
    member = factories.member(mine, Role.VIEWER)
    member.memberships.create(company=whole.company, role=Role.VIEWER)
    found = ids(client_of(member).get("/api/offices"))
    assert found == {mine.pk, whole.pk}
    assert hidden.pk not in found


def test_offices_of_some_companies(client_of: Any) -> None:
    first, second, third = factories.office(), factories.office(), factories.office()
    member = factories.member(first.company)
    for office in (second, third):
        member.memberships.create(company=office.company, role=Role.VIEWER)
    query = f"company={first.company_id}&company={third.company_id}"
    assert ids(client_of(member).get(f"/api/offices?{query}")) == {first.pk, third.pk}


def test_asking_for_another_company_shows_nothing_of_it(client_of: Any) -> None:
    other = factories.office()
    client = client_of(factories.member(factories.company()))
    assert ids(client.get(f"/api/offices?company={other.company_id}")) == set()


@pytest.mark.parametrize("value", ["x", "0", "-1", "1.5", "", "９", str(2**63)])
def test_what_is_no_id_is_refused(client_of: Any, value: str) -> None:
    response = client_of(factories.user()).get("/api/offices", {"company": value})
    assert response.status_code == 400
    assert [error["name"] for error in response.json()["errors"]] == ["company"]


def test_three_hundred_and_fifty_offices_take_as_many_queries_as_one(
    client_of: Any, django_assert_num_queries: Any
) -> None:
    company = factories.company()
    for _ in range(350):
        factories.office(company)
    client = client_of(factories.member(company))
    with django_assert_num_queries(2):
        assert len(ids(client.get("/api/offices?limit=200"))) == 200
