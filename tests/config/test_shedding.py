"""A request that waited too long behind the router is refused at once."""

from __future__ import annotations

import time
from typing import Any

import pytest
from django.test import Client


@pytest.fixture(autouse=True)
def _router(settings: Any) -> None:
    settings.BEHIND_ROUTER, settings.SHED_AFTER = True, 15


def get(waited: float, path: str = "/api/nope") -> Any:
    return Client().get(path, headers={"X-Request-Start": str(int((time.time() - waited) * 1000))})


def test_an_old_request_is_a_503_that_says_when_to_come_back() -> None:
    response = get(16)
    assert (response.status_code, response.json()["code"]) == (503, "overloaded")
    assert response.headers["Retry-After"] == "5"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["X-Request-Id"] == response.json()["request_id"]


@pytest.mark.django_db
def test_a_young_request_is_answered() -> None:
    assert get(14).status_code == 404


def test_the_health_check_is_never_refused() -> None:
    assert get(600, "/healthz").status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("stamp", ["", "yesterday", "-1", "1e12", "123", "9" * 30])
def test_a_stamp_that_is_no_time_sheds_nothing(stamp: str) -> None:
    assert Client().get("/api/nope", headers={"X-Request-Start": stamp}).status_code == 404


@pytest.mark.django_db
def test_without_a_router_in_front_nobody_is_believed(settings: Any) -> None:
    settings.BEHIND_ROUTER = False
    assert get(600).status_code == 404
