"""Request limits: exact under concurrency, told in headers, and never gone, whatever the cache does."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from redis import Redis
from rest_framework.test import APIClient

from api import throttling
from api.throttling import take
from tests import factories, outages, servers

LONG = 10**9  # seconds; no window ends while a test runs


@pytest.fixture
def limit(settings: Any) -> Callable[..., None]:
    """`limit(user=3)` sets limits of a long window; all others are lifted."""

    def set_to(**limits: int) -> None:
        given = {name.replace("_", "-"): (limit, LONG) for name, limit in limits.items()}
        settings.THROTTLES = dict.fromkeys(settings.THROTTLES, (10**6, LONG)) | given

    return set_to


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock of the throttles that stands still: `clock.now` in seconds."""
    standing = SimpleNamespace(now=1_000_000.0)
    monkeypatch.setattr(throttling, "time", SimpleNamespace(time=lambda: standing.now, monotonic=time.monotonic))
    return standing


# --- Counting


def test_of_many_requests_at_once_exactly_the_limit_passes(limit: Callable[..., None]) -> None:
    limit(user=100)
    with ThreadPoolExecutor(16) as pool:
        quotas = list(pool.map(lambda _: take("user", "1"), range(320)))
    assert sorted(quota.remaining for quota in quotas) == list(range(-220, 100))


def test_what_is_drawn_in_batches_is_counted_as_exactly(limit: Callable[..., None]) -> None:
    limit(user=1000)
    with ThreadPoolExecutor(16) as pool:
        quotas = list(pool.map(lambda _: take("user", "1"), range(1100)))
    assert sorted(quota.remaining for quota in quotas) == list(range(-100, 1000))


def test_the_cache_is_asked_once_a_batch(limit: Callable[..., None]) -> None:
    limit(user=1000)
    counted = []
    for _ in range(21):
        take("user", "1")
        (key,) = cache.keys("throttle:*")  # type: ignore[attr-defined]
        counted.append(cache.get(key))
    assert counted == [10] * 10 + [20] * 10 + [30]


@pytest.mark.parametrize("idle", [0, 1, 2])
def test_several_processes_give_out_the_limit_but_for_what_idle_ones_have_drawn(
    limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch, idle: int
) -> None:
    limit(user=600)
    own = [throttling.Counts() for _ in range(3)]
    passed = 0
    for number in range(900):
        monkeypatch.setattr(throttling, "counts", own[number % 3 if number < 3 else number % (3 - idle)])
        passed += take("user", "1").remaining >= 0
    assert passed == 600 - 5 * idle


@pytest.mark.django_db(transaction=True)
def test_of_many_http_requests_at_once_exactly_the_limit_is_answered(
    limit: Callable[..., None], client_of: Any
) -> None:
    limit(user=20)
    clients = [client_of(factories.user())] * 16

    def ask(client: APIClient) -> list[int]:
        try:
            anew = {"Cache-Control": "no-cache"}  # what is kept already is not counted
            return [client.get("/api/products", headers=anew).status_code for _ in range(5)]
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        statuses = Counter(status for found in pool.map(ask, clients) for status in found)
    assert statuses == {200: 20, 429: 60}


def test_subjects_are_counted_apart(limit: Callable[..., None]) -> None:
    limit(user=1)
    assert [take("user", subject).remaining for subject in ("1", "2", "1")] == [0, 0, -1]


def test_policies_are_counted_apart(limit: Callable[..., None]) -> None:
    limit(user=1, anonymous=1)
    assert [take(policy, "1").remaining for policy in ("user", "anonymous")] == [0, 0]


def test_a_window_that_ends_starts_anew(settings: Any, clock: SimpleNamespace) -> None:
    settings.THROTTLES = {"user": (1, 60)}
    assert [take("user", "1").remaining for _ in range(2)] == [0, -1]
    clock.now += take("user", "1").reset
    assert take("user", "1").remaining == 0


def test_a_window_does_not_end_early(settings: Any, clock: SimpleNamespace) -> None:
    settings.THROTTLES = {"user": (1, 60)}
    reset = take("user", "1").reset
    clock.now += reset - 0.001
    assert take("user", "1").remaining == -1


def test_counters_leave_the_cache_after_their_window(settings: Any) -> None:
    settings.THROTTLES = {"user": (1, 60)}
    take("user", "1")
    (key,) = cache.keys("throttle:*")  # type: ignore[attr-defined]
    assert 0 < cache.ttl(key) <= 61  # type: ignore[attr-defined]


def test_the_cache_does_not_tell_who_was_counted() -> None:
    take("login-user", "ada.lovelace")
    assert "ada" not in str(cache.keys("*"))  # type: ignore[attr-defined]


# --- What the client is told


@pytest.mark.django_db
def test_every_answer_tells_the_quota(settings: Any, clock: SimpleNamespace, client_of: Any) -> None:
    settings.THROTTLES = settings.THROTTLES | {"user": (5, 60)}
    clock.now = 60 * 1000 + 18.5
    headers = client_of(factories.user()).get("/api/me").headers
    assert headers["RateLimit-Policy"] == '"user";q=5;w=60'
    assert headers["RateLimit"] == '"user";r=4;t=42'


@pytest.mark.django_db
def test_too_many_requests_are_a_problem_that_says_when_to_come_back(
    settings: Any, clock: SimpleNamespace, client_of: Any
) -> None:
    settings.THROTTLES = settings.THROTTLES | {"user": (1, 60)}
    clock.now = 60 * 1000 + 18.5
    client = client_of(factories.user())
    client.get("/api/me")
    response = client.get("/api/me")
    assert response.status_code == 429
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Retry-After"] == "42"
    assert response.headers["RateLimit"] == '"user";r=0;t=42'
    assert response.json()["code"] == "throttled"


# --- Login


def login(username: str = "ada", address: str = "192.0.2.1", password: str | None = None) -> Any:
    credentials = {"username": username, "password": password or "wrong"}
    return APIClient().post("/api/auth/login", credentials, REMOTE_ADDR=address)


@pytest.mark.django_db
def test_logins_of_a_user_are_limited_from_whatever_address(limit: Callable[..., None]) -> None:
    limit(login_user=2)
    assert [login(address=f"192.0.2.{number}").status_code for number in range(3)] == [401, 401, 429]


@pytest.mark.django_db
def test_another_spelling_is_no_other_user(limit: Callable[..., None]) -> None:
    limit(login_user=2)
    assert [login(username).status_code for username in ("ada", "ADA", "Ada")] == [401, 401, 429]


@pytest.mark.django_db
def test_logins_from_an_address_are_limited_for_whatever_user(limit: Callable[..., None]) -> None:
    limit(login_address=2)
    assert [login(f"user{number}").status_code for number in range(3)] == [401, 401, 429]


@pytest.mark.django_db
def test_the_right_password_does_not_open_a_throttled_login(limit: Callable[..., None]) -> None:
    limit(login_user=1)
    user = factories.user(username="ada")
    user.set_password("right")
    user.save()
    assert [login().status_code, login(password="right").status_code] == [401, 429]


@pytest.mark.django_db
def test_a_throttled_login_tells_which_limit_it_hit(limit: Callable[..., None]) -> None:
    limit(login_user=1)
    login()
    headers = login().headers
    assert headers["RateLimit"].startswith('"login-user";r=0')
    assert int(headers["Retry-After"]) > 0


# --- Without a cache


POLICIES = ["user", "anonymous", "login-user", "login-address"]


@pytest.fixture
def own_redis(tmp_path: Path, settings: Any) -> Iterator[Redis]:
    """A Redis of the test's own, as the service's cache, and a client of it."""
    process, url = servers.start_redis(tmp_path / "redis")
    settings.CACHES = outages.caches_at(url, settings)
    client = Redis.from_url(url)
    client.shuts = process.kill  # type: ignore[attr-defined]
    yield client
    client.close()
    process.kill()
    process.wait()


def away(redis: Any) -> None:
    redis.shuts()


def full(redis: Any) -> None:
    redis.config_set("maxmemory", 1)


def read_only(redis: Any) -> None:
    redis.replicaof("127.0.0.1", outages.closed_port())


def refusing_scripts(redis: Any) -> None:
    redis.acl_setuser("default", enabled=True, nopass=True, commands=["-eval"], keys=["*"], reset=False)


def holding_texts(redis: Any) -> None:
    for key in redis.keys("*throttle:*"):
        redis.set(key, "a text")


def emptied(redis: Any) -> None:
    redis.flushall()


FAULTS = [away, full, read_only, refusing_scripts, holding_texts, emptied]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("policy", POLICIES)
def test_no_limit_is_lifted(limit: Callable[..., None], own_redis: Redis, policy: str, fault: Any) -> None:
    limit(**{policy.replace("-", "_"): 3})
    before = [take(policy, "1").remaining for _ in range(2)]
    fault(own_redis)
    assert before + [take(policy, "1").remaining for _ in range(3)] == [2, 1, 0, -1, -2]
    assert [take(policy, "2").remaining for _ in range(4)] == [2, 1, 0, -1]


@pytest.mark.parametrize("fault", FAULTS)
def test_what_was_drawn_in_batches_goes_on(limit: Callable[..., None], own_redis: Redis, fault: Any) -> None:
    limit(user=1000)
    for _ in range(15):
        take("user", "1")
    fault(own_redis)
    assert [take("user", "1").remaining for _ in range(20)] == list(range(984, 964, -1))


def test_without_redis_of_many_requests_at_once_exactly_the_limit_passes(
    settings: Any, limit: Callable[..., None]
) -> None:
    limit(login_user=100)
    settings.CACHES = outages.no_caches(settings)
    with ThreadPoolExecutor(16) as pool:
        quotas = list(pool.map(lambda _: take("login-user", "1"), range(320)))
    assert sorted(quota.remaining for quota in quotas) == list(range(-220, 100))


def test_numbers_of_many_subjects_take_bounded_memory_and_lift_no_limit(
    settings: Any, limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttling, "MOST_SUBJECTS", 5)
    monkeypatch.setattr(throttling, "MOST_SHARED", 3)
    limit(login_user=2)
    settings.CACHES = outages.no_caches(settings)
    take("login-user", "ada")
    for number in range(100):
        take("login-user", f"user {number}")
    assert [take("login-user", "ada").remaining for _ in range(2)] == [0, -1]
    assert take("login-user", "a new one").remaining < 0
    assert len(throttling.counts._windows["login-user"].numbers) <= 5 + 3


def test_those_who_are_too_many_for_this_process_are_counted_apart_by_the_cache(
    limit: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttling, "MOST_SUBJECTS", 5)
    limit(user=2)
    for subject in map(str, range(20)):
        assert [take("user", subject).remaining for _ in range(3)] == [1, 0, -1]
    assert len(throttling.counts._windows["user"].numbers) == 5


def test_a_window_that_ends_is_forgotten(settings: Any, clock: SimpleNamespace) -> None:
    settings.THROTTLES = {"user": (1, 60)}
    settings.CACHES = outages.no_caches(settings)
    for subject in map(str, range(20)):
        take("user", subject)
    clock.now += 60
    assert take("user", "1").remaining == 0
    assert len(throttling.counts._windows["user"].numbers) == 1


def test_an_outage_is_logged_once(
    limit: Callable[..., None], own_redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    limit()
    take("user", "1")
    assert not throttling.counts_here()
    full(own_redis)
    with caplog.at_level("INFO", "api.throttling"):
        for subject in map(str, range(50)):
            take("login-user", subject)
        assert throttling.counts_here()
        assert [record.levelname for record in caplog.records] == ["ERROR"]
        own_redis.config_set("maxmemory", 0)
        take("user", "2")
    assert not throttling.counts_here()
    assert [record.levelname for record in caplog.records] == ["ERROR", "INFO"]


@pytest.mark.django_db
def test_with_redis_away_requests_are_answered(settings: Any, limit: Callable[..., None], client_of: Any) -> None:
    limit(user=2)
    settings.CACHES = outages.no_caches(settings)
    client = client_of(factories.user())
    assert [client.get("/api/me").status_code for _ in range(3)] == [200, 200, 429]


@pytest.mark.django_db
@pytest.mark.parametrize("fault", FAULTS)
def test_logins_are_limited_whatever_happens(limit: Callable[..., None], own_redis: Redis, fault: Any) -> None:
    limit(login_user=2)
    statuses = [login().status_code]
    fault(own_redis)
    assert statuses + [login().status_code for _ in range(3)] == [401, 401, 429, 429]
