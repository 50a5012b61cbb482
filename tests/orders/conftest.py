"""A company with an office, its owner with a client, and a product: where most stories start.

Imports wait for the fixtures, as pytest may read this file before the settings are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from rest_framework.test import APIClient

    from businesses.models import Company, Office, User
    from orders.models import Order, Product


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


@pytest.fixture
def order(office: Office, owner: User) -> Order:
    from tests import factories

    return factories.order(office, owner)


# --- Where nothing may be written


@pytest.fixture
def elsewhere() -> Office:
    """The only office of a company that is not the owner's."""
    from tests import factories

    return factories.office()


@pytest.fixture
def colleague(office: Office) -> User:
    """May look at the office's orders, and no more."""
    from businesses.models import Role
    from tests import factories

    return factories.member(office, Role.VIEWER)


@pytest.fixture
def nothing_is_written(
    order: Order, as_owner: APIClient, product: Product, elsewhere: Office, colleague: User
) -> Iterator[None]:
    """The test fails if it leaves another company, order or address than it found."""
    from businesses.models import Address, Company
    from orders.models import Order, OrderEvent, OrderLine

    models: tuple[Any, ...] = (Company, Order, OrderLine, OrderEvent, Address)

    def rows() -> list[list[dict[str, Any]]]:
        return [list(model.objects.order_by("pk").values()) for model in models]

    before = rows()
    yield
    assert rows() == before
