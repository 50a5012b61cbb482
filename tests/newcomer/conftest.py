"""Each test runs on committed data, where everything fast is on, and inside a transaction, where most of it is off."""

from __future__ import annotations

from typing import Any

import pytest

WAYS = [
    pytest.param("transaction", marks=pytest.mark.django_db),
    pytest.param("committed", marks=pytest.mark.django_db(transaction=True)),
]


@pytest.fixture(params=WAYS, autouse=True)
def where(request: pytest.FixtureRequest, settings: Any) -> str:
    settings.ROOT_URLCONF = "tests.newcomer.urls"
    where: str = request.param
    return where


@pytest.fixture
def company(where: str) -> Any:
    from tests import factories

    return factories.company()


@pytest.fixture
def project(company: Any) -> Any:
    from tests.newcomer.models import Project

    return Project.objects.create(company=company, name="first")


@pytest.fixture
def ask(company: Any, client_of: Any) -> Any:
    """`ask(path, staff=False)`: the answer to one of two owners of the company, who may see the same rows."""
    from tests import factories

    clients = {staff: client_of(factories.member(company, is_staff=staff)) for staff in (False, True)}

    def asked(path: str, *, staff: bool = False, **headers: str) -> Any:
        return clients[staff].get(f"/api/newcomer/{path}", headers=headers)

    return asked
