"""/healthz tells that the process answers, /readyz that what it leans on does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from redis import Redis

from api import throttling
from tests import outages, servers


def test_healthz_asks_nobody(django_assert_num_queries: Any, db: None) -> None:
    with django_assert_num_queries(0):
        response = Client().get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db
def test_readyz_tells_each_services_latency() -> None:
    response = Client().get("/readyz")
    assert response.status_code == 200
    assert response.json()["status"] == "ok"
    for service in ("database", "redis"):
        assert response.json()[service]["ok"] is True
        assert 0 <= response.json()[service]["milliseconds"] < 5000


@pytest.mark.django_db(transaction=True)
def test_readyz_is_503_with_the_database_away() -> None:
    with outages.database_away():
        response = Client().get("/readyz")
    assert response.status_code == 503
    assert response.json()["status"] == "unavailable"
    assert (response.json()["database"]["ok"], response.json()["redis"]["ok"]) == (False, True)


@pytest.mark.django_db
def test_readyz_is_ok_with_redis_away(settings: Any) -> None:
    settings.CACHES = outages.no_caches(settings)
    response = Client().get("/readyz")
    assert response.status_code == 200
    assert (response.json()["database"]["ok"], response.json()["redis"]["ok"]) == (True, False)


@pytest.mark.django_db
@pytest.mark.parametrize("command", [("config", "set", "maxmemory", "1"), ("replicaof", "127.0.0.1", "1")])
def test_readyz_tells_that_redis_takes_nothing_new(settings: Any, tmp_path: Path, command: tuple[str, ...]) -> None:
    process, url = servers.start_redis(tmp_path / "redis")
    try:
        settings.CACHES = outages.caches_at(url, settings)
        assert Client().get("/readyz").json()["redis"]["ok"] is True
        Redis.from_url(url).execute_command(*command)
        throttling.take("user", "1")
        response = Client().get("/readyz")
    finally:
        process.kill()
        process.wait()
    assert (response.status_code, response.json()["status"]) == (200, "ok")
    assert (response.json()["redis"]["ok"], response.json()["redis"]["limits"]) == (False, "here")


@pytest.mark.django_db
def test_readyz_does_not_ask_a_redis_that_is_not_used(settings: Any) -> None:
    settings.REDIS_URL = ""
    assert "redis" not in Client().get("/readyz").json()


@pytest.mark.django_db(transaction=True)
def test_healthz_is_ok_with_the_database_away() -> None:
    with outages.database_away():
        assert Client().get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_they_are_asked_by_reading_only(path: str) -> None:
    assert Client().post(path).status_code == 405


def test_a_probe_is_not_sent_to_https(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    assert Client().get("/healthz").status_code == 200
