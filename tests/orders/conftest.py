"""A company with an office, its owner with a client, and a product: where most stories start.

Imports wait for the fixtures, as pytest may read this file before the settings are there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rest_framework.test import APIClient

    from businesses.models import Company, Office, User
    from orders.models import Product


@pytest.fixture
def company() -> Company:
    from tests import factories

    return factories.company()


@pytest.fixture
def office(company: Company) -> Office:
    from tests import factories

    return factories.office(company)


@pytest.fixture
def owner(company: Company) -> User:
    from tests import factories

    return factories.member(company)


@pytest.fixture
def as_owner(client_of: Callable[[User], APIClient], owner: User) -> APIClient:
    return client_of(owner)


@pytest.fixture
def product() -> Product:
    from tests import factories

    return factories.product()
