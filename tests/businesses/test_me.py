"""/api/me: the user, their memberships and their active address."""

from __future__ import annotations

from typing import Any

import pytest

from businesses.models import Role
from tests import factories

pytestmark = pytest.mark.django_db


def test_a_user_sees_who_they_are(client_of: Any) -> None:
    office = factories.office()
    user = factories.member(office, Role.BUYER, username="ada", first_name="Ada", last_name="L", email="a@b.example")
    address = user.addresses.get()
    assert client_of(user).get("/api/me").json() == {
        "id": user.pk,
        "username": "ada",
        "name": "Ada L",
        "email": "a@b.example",
        "address": {
            "id": address.pk,
            "street": "Parkvej 7",
            "city": "København",
            "postcode": "2100",
            "country": "DK",
            "active": True,
        },
        "memberships": [
            {
                "company": {"id": office.company_id, "name": office.company.name},
                "office": {"id": office.pk, "name": office.name, "city": "Berlin"},
                "role": "buyer",
            }
        ],
    }


def test_a_membership_of_the_whole_company_has_no_office(client_of: Any) -> None:
    (membership,) = client_of(factories.member(factories.company())).get("/api/me").json()["memberships"]
    assert membership["office"] is None


def test_without_an_active_address_there_is_none(client_of: Any) -> None:
    user = factories.member(factories.company(), address=False)
    user.addresses.create(street="a", city="b", postcode="c", country="DK", active=False)
    assert client_of(user).get("/api/me").json()["address"] is None


def test_a_user_without_a_name_goes_by_their_username(client_of: Any) -> None:
    user = factories.user(first_name="", last_name="", username="ada")
    assert client_of(user).get("/api/me").json()["name"] == "ada"


def test_no_password_is_shown(client_of: Any) -> None:
    assert "password" not in client_of(factories.user()).get("/api/me").content.decode()


def test_only_what_is_asked_for_is_fetched(client_of: Any, django_assert_num_queries: Any) -> None:
    client = client_of(factories.member(factories.company()))
    with django_assert_num_queries(2):
        assert set(client.get("/api/me?fields=username").json()) == {"username"}


def test_it_needs_a_token() -> None:
    from rest_framework.test import APIClient

    assert APIClient().get("/api/me").status_code == 401
