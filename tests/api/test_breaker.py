"""A Redis that is frozen, killed or restarted: the same answers, one short wait, and it is found again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from redis.exceptions import ConnectionError as RedisConnectionError

from api import breaker as breaking
from api.breaker import Breaker, breaker
from tests import factories, outages
from tests.faults.engines import Redis

PAUSE = 0.5  # seconds, instead of 2
TIMEOUT = 0.25  # what a deployment has unless it says otherwise
WAIT = TIMEOUT + 0.3  # … and what a busy machine adds


@pytest.fixture
def redis(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Redis]:
    monkeypatch.setattr(breaking, "PAUSE", PAUSE)
    server = Redis(tmp_path)
    caches = outages.caches_at(server.url, settings)
    caches["default"]["OPTIONS"] |= {"SOCKET_TIMEOUT": TIMEOUT, "SOCKET_CONNECT_TIMEOUT": TIMEOUT}
    settings.CACHES = caches
    settings.THROTTLES = dict.fromkeys(settings.THROTTLES, (10**9, 60))
    cache.set("known", 1)
    yield server
    server.kill()
    breaker.closed()


def timed(key: str = "known") -> tuple[Any, float]:
    """What the cache knows, and how many seconds it took to say so."""
    began = time.monotonic()
    value = cache.get(key)
    return value, time.monotonic() - began


def wait_for_recovery() -> float:
    """Seconds until a value can be kept again."""
    began = time.monotonic()
    while not cache.set("back", 1):  # type: ignore[func-returns-value]
        assert time.monotonic() - began < 10
        time.sleep(0.02)
    return time.monotonic() - began


def test_a_frozen_server_costs_one_wait(redis: Redis) -> None:
    assert timed()[0] == 1
    redis.freeze()
    value, seconds = timed()
    assert value is None
    assert TIMEOUT * 0.9 < seconds < WAIT
    began = time.monotonic()
    answers = [cache.get("known"), cache.set("a", 1), cache.add("b", 1), cache.incr("known")]  # type: ignore[func-returns-value]
    assert answers == [None] * 4
    assert time.monotonic() - began < 0.1
    redis.thaw()
    assert wait_for_recovery() < PAUSE + WAIT
    assert timed()[0] == 1


def test_a_killed_server_costs_no_wait_and_is_found_again(redis: Redis) -> None:
    redis.kill()
    value, seconds = timed()
    assert (value, seconds < WAIT) == (None, True)
    assert breaker.tripped
    redis.start()
    assert wait_for_recovery() < PAUSE + WAIT
    assert not breaker.tripped


def test_a_server_that_was_restarted_unseen_is_used_at_once(redis: Redis) -> None:
    redis.kill()
    redis.start()
    cache.set("known", 2)  # the pool's connection is dead; the breaker may open, once
    assert wait_for_recovery() < PAUSE + WAIT


def test_while_it_stays_frozen_one_thread_waits_in_each_pause(redis: Redis) -> None:
    redis.freeze()
    timed()
    until = time.monotonic() + 3 * PAUSE
    waits: list[float] = []

    def work(_: int) -> None:
        while time.monotonic() < until:
            seconds = timed()[1]
            if seconds > TIMEOUT * 0.9:
                waits.append(seconds)
            time.sleep(0.005)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert 1 <= len(waits) <= 3
    assert max(waits) < WAIT


def test_threads_that_were_waiting_when_it_froze_wait_no_longer_than_one(redis: Redis) -> None:
    redis.freeze()
    with ThreadPoolExecutor(4) as pool:
        assert max(pool.map(lambda _: timed()[1], range(4))) < WAIT
    assert max(timed()[1] for _ in range(20)) < 0.1


def test_after_the_pause_exactly_one_thread_is_let_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(breaking, "PAUSE", 0.05)
    own = Breaker()
    own.opened()
    time.sleep(0.06)
    monkeypatch.setattr(breaking, "PAUSE", 60)
    together = threading.Barrier(16)

    def work(_: int) -> bool:
        together.wait()
        try:
            own.check()
        except RedisConnectionError:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(work, range(16))) == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fault", ["freeze", "kill"])
def test_answers_stay_the_same(redis: Redis, client_of: Any, fault: str) -> None:
    office = factories.office()
    order = factories.order(office, factories.member(office.company))
    client = client_of(order.placed_by)
    kept = client.get("/api/orders")
    getattr(redis, fault)()
    began = time.monotonic()
    again = [client.get("/api/orders") for _ in range(5)]
    assert {response.content for response in again} == {kept.content}
    assert {response.headers["ETag"] for response in again} == {kept.headers["ETag"]}
    assert {response.headers["Cache-Status"] for response in again} == {"orders; fwd=miss"}
    assert time.monotonic() - began < WAIT + 1
    redis.thaw() if fault == "freeze" else redis.start()
    wait_for_recovery()
    client.get("/api/orders")
    assert client.get("/api/orders").headers["Cache-Status"].startswith("orders; hit")
    connection.close()
