"""The faster ways are tested as the ordinary ones are: on committed data where pages are kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.caching.conftest import queries, store

if TYPE_CHECKING:
    from rest_framework.test import APIClient

    from businesses.models import User

__all__ = ["queries", "store"]


@pytest.fixture
def as_owner(client_of: Callable[[User], Any], owner: User) -> APIClient:
    client: APIClient = client_of(owner)
    return client
