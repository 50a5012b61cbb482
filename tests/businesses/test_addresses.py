"""/api/addresses: one's own only, and at most one of them active."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection

from businesses import services
from businesses.models import Address, Company, User
from tests import factories

pytestmark = pytest.mark.django_db
PLACE = {"street": "Nyhavn 1", "city": "København", "postcode": "1051", "country": "DK"}


@pytest.fixture
def member() -> User:
    return factories.member(factories.company())


@pytest.fixture
def client(client_of: Any, member: User) -> Any:
    return client_of(member)


def active(user: User) -> list[int]:
    return list(Address.objects.filter(user=user, active=True).values_list("pk", flat=True))


def test_one_sees_ones_own_addresses(client: Any, member: User) -> None:
    factories.active_address(factories.user())
    assert [row["id"] for row in client.get("/api/addresses").json()["results"]] == active(member)


def test_another_users_address_is_404(client: Any) -> None:
    other = factories.active_address(factories.user())
    assert client.get(f"/api/addresses/{other.pk}").status_code == 404


def test_another_users_address_can_not_be_edited(client: Any) -> None:
    other = factories.active_address(factories.user())
    assert client.patch(f"/api/addresses/{other.pk}", {"city": "Oslo"}).status_code == 404
    other.refresh_from_db()
    assert other.city == "København"


def test_an_address_is_created_inactive_unless_it_says_otherwise(client: Any, member: User) -> None:
    before = active(member)
    response = client.post("/api/addresses", PLACE)
    assert response.status_code == 201
    assert response.json() == {**PLACE, "id": response.json()["id"], "active": False}
    assert active(member) == before


def test_a_new_address_may_be_the_active_one(client: Any, member: User) -> None:
    created = client.post("/api/addresses", {**PLACE, "active": True}).json()
    assert active(member) == [created["id"]]


def test_an_address_is_edited_in_part(client: Any, member: User) -> None:
    (pk,) = active(member)
    edited = client.patch(f"/api/addresses/{pk}", {"street": "Elm Street 2"}).json()
    assert (edited["street"], edited["city"], edited["active"]) == ("Elm Street 2", "København", True)


def test_making_one_active_makes_the_other_inactive(client: Any, member: User) -> None:
    second = client.post("/api/addresses", PLACE).json()["id"]
    assert client.patch(f"/api/addresses/{second}", {"active": True}).json()["active"] is True
    assert active(member) == [second]


def test_the_active_one_may_be_made_inactive(client: Any, member: User) -> None:
    (pk,) = active(member)
    client.patch(f"/api/addresses/{pk}", {"active": False})
    assert active(member) == []


def test_making_mine_active_leaves_yours_alone(client: Any) -> None:
    yours = factories.active_address(factories.user())
    client.post("/api/addresses", {**PLACE, "active": True})
    yours.refresh_from_db()
    assert yours.active


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("country", "Denmark"),
        ("country", "dk"),
        ("country", ""),
        ("country", "D1"),
        ("street", ""),
        ("street", "   "),
        ("street", "x" * 201),
        ("city", "x" * 101),
        ("postcode", "x" * 21),
        ("city", "a\x00b"),
        ("city", None),
        ("id", 7),
        ("user", 7),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_written(client: Any, member: User, name: str, value: Any) -> None:
    response = client.post("/api/addresses", {**PLACE, name: value})
    assert response.status_code == 400
    assert [error["name"] for error in response.json()["errors"]] == [name]
    assert Address.objects.filter(user=member).count() == 1


@pytest.mark.parametrize("name", PLACE)
def test_an_address_is_given_whole(client: Any, name: str) -> None:
    body = {key: value for key, value in PLACE.items() if key != name}
    assert [error["name"] for error in client.post("/api/addresses", body).json()["errors"]] == [name]


def test_a_write_bumps_the_revisions_of_the_users_companies(client: Any) -> None:
    other = factories.company()
    client.post("/api/addresses", PLACE)
    assert list(Company.objects.exclude(pk=other.pk).values_list("revision", flat=True)) == [1]
    other.refresh_from_db()
    assert other.revision == 0


def test_a_user_of_no_company_has_addresses_too(client_of: Any) -> None:
    assert client_of(factories.user()).post("/api/addresses", PLACE).status_code == 201


def test_an_edit_keeps_what_another_request_changed_meanwhile(member: User) -> None:
    read_before = Address.objects.get(user=member)
    services.save_address(user=member, address=Address(), values={**PLACE, "active": True})
    Address.objects.filter(pk=read_before.pk).update(city="Aarhus")
    services.save_address(user=member, address=read_before, values={"street": "Elm Street 2"})
    edited = Address.objects.get(pk=read_before.pk)
    assert (edited.street, edited.city, edited.active) == ("Elm Street 2", "Aarhus", False)
    assert len(active(member)) == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_made_active_at_once_one_is(client: Any, member: User) -> None:
    def create(_: int) -> int:
        try:
            return int(client.post("/api/addresses", {**PLACE, "active": True}).status_code)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(create, range(16))) == {201}
    assert len(active(member)) == 1
