"""/api/companies: those of which one may see at least one office."""

from __future__ import annotations

from typing import Any

import pytest

from tests import factories

pytestmark = pytest.mark.django_db


def names(response: Any) -> list[str]:
    return [row["name"] for row in response.json()["results"]]


def test_one_sees_the_companies_of_ones_memberships(client_of: Any) -> None:
    company = factories.company(name="Mine", slug="mine", revision=3)
    factories.company(name="Not mine")
    response = client_of(factories.member(company)).get("/api/companies")
    company.refresh_from_db()
    shown = {"id": company.pk, "name": "Mine", "slug": "mine", "version": company.revision}
    assert response.json()["results"] == [shown]


def test_a_member_of_one_office_sees_its_company(client_of: Any) -> None:
    office = factories.office()
    assert client_of(factories.member(office)).get(f"/api/companies/{office.company_id}").status_code == 200


def test_another_company_is_404(client_of: Any) -> None:
    member = factories.member(factories.company())
    assert client_of(member).get(f"/api/companies/{factories.company().pk}").status_code == 404


def test_a_user_of_no_company_sees_none(client_of: Any) -> None:
    factories.company()
    assert names(client_of(factories.user()).get("/api/companies")) == []


@pytest.fixture
def client(client_of: Any) -> Any:
    """Of a member of three companies."""
    member = factories.member(factories.company(name="Beta"))
    for name in ("alpha", "Alpine"):
        member.memberships.create(company=factories.company(name=name), role="viewer")
    return client_of(member)


def test_companies_come_by_name(client: Any) -> None:
    forwards = names(client.get("/api/companies?ordering=name"))
    assert forwards == names(client.get("/api/companies"))
    assert names(client.get("/api/companies?ordering=-name")) == forwards[::-1]


def test_search_takes_the_start_of_the_name_in_any_case(client: Any) -> None:
    assert set(names(client.get("/api/companies?search=ALP"))) == {"alpha", "Alpine"}


def test_search_does_not_take_wildcards(client: Any) -> None:
    assert names(client.get("/api/companies?search=%25")) == []


def test_pages_are_linked_both_ways(client: Any) -> None:
    first = client.get("/api/companies?limit=2")
    second = client.get(first.json()["next"])
    assert names(first) + names(second) == names(client.get("/api/companies"))
    assert names(client.get(second.json()["previous"])) == names(first)
    assert f'<{first.json()["next"]}>; rel="next"' in first.headers["Link"]


@pytest.mark.parametrize("query", ["nonsense=1", "ordering=id", "limit=0", "limit=201", "search=", "limit=1&limit=2"])
def test_what_is_not_understood_is_named(client: Any, query: str) -> None:
    response = client.get(f"/api/companies?{query}")
    assert response.status_code == 400
    assert [error["name"] for error in response.json()["errors"]] == [query.split("=")[0]]


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_companies_are_read_only(client: Any, method: str) -> None:
    assert getattr(client, method)("/api/companies").status_code == 405
