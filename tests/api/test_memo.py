"""What clients choose the keys of is bounded in bytes, and one of them does not push out what others use."""

from __future__ import annotations

import gc
import importlib
import pkgutil
from concurrent.futures import ThreadPoolExecutor
from functools import _lru_cache_wrapper
from typing import Any

import pytest
from django.conf import settings

from api.memo import LONGEST, Memo, memoised, size_of

KB = 1000


@pytest.fixture
def memo() -> Memo[str]:
    return Memo(most=100, room=100 * KB)


def texts(memo: Memo[Any]) -> list[str]:
    keys: Any = memo._values
    return [text for _, text in keys]


def test_it_never_holds_more_than_its_room(memo: Memo[str]) -> None:
    for number in range(500):
        memo.keep(None, str(number), "x" * 2000)
        assert memo.size <= 100 * KB
    assert 30 < len(memo._values) < 50
    assert memo.size == sum(entry.size for entry in memo._entries.values())


def test_it_never_holds_more_than_so_many(memo: Memo[str]) -> None:
    for number in range(500):
        memo.keep(None, str(number), "")
    assert len(memo._values) == len(memo._entries) == 100


def test_what_is_used_outlives_what_is_asked_for_once(memo: Memo[str]) -> None:
    memo.keep(None, "used", "x" * 1000)
    for number in range(500):
        assert memo.get(None, "used")
        memo.keep(None, str(number), "x" * 1000)
    assert {"used", "499"} <= set(texts(memo))
    assert "0" not in texts(memo)


def test_what_is_no_longer_used_goes(memo: Memo[str]) -> None:
    memo.keep(None, "used", "x" * 1000)
    assert memo.get(None, "used")
    for number in range(500):
        memo.keep(None, str(number), "x" * 1000)
    assert memo.get(None, "used") is None


def test_one_large_value_is_not_kept_instead_of_many(memo: Memo[str]) -> None:
    memo.keep(None, "small", "")
    assert memo.keep(None, "large", "x" * 50 * KB) == "x" * 50 * KB
    memo.keep(None, "said to be large", "", 50 * KB)
    memo.keep(None, "x" * (LONGEST + 1), "")
    assert texts(memo) == ["small"]


def test_a_value_that_replaces_another_is_counted_once(memo: Memo[str]) -> None:
    for _ in range(500):
        memo.keep(None, "key", "x" * 1000)
    assert memo.size < 2 * KB


def test_many_threads_at_once(memo: Memo[str]) -> None:
    def work(thread: int) -> None:
        for number in range(2000):
            memo.keep(None, str(number % 300), "x" * number)
            memo.get(None, str(number % 7))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert memo.size == sum(entry.size for entry in memo._entries.values()) <= 100 * KB
    assert memo._values.keys() == memo._entries.keys()


def test_a_function_is_run_again_for_what_is_forgotten() -> None:
    run: list[int] = []

    @memoised(100 * KB, most=3)
    def text(number: int, *, twice: bool = False) -> str:
        run.append(number)
        return str(number) * (2 if twice else 1)

    assert [text(7), text(7), text(7, twice=True), text(7, twice=True)] == ["7", "7", "77", "77"]
    assert run == [7, 7]
    for number in range(9):
        text(number)
    assert text(7) == "7"
    assert text.cache_info().currsize == 3


def test_the_size_is_of_all_that_goes_with_a_value() -> None:
    text = "x" * KB
    shared = [text] * 100
    assert KB < size_of(shared) < 3 * KB
    assert 100 * KB < size_of([text + str(number) for number in range(100)]) < 120 * KB
    assert size_of([Memo, gc, size_of]) < 200


BOUNDED_BY_CODE = {  # what they are asked by are classes, columns and settings, and no text of a client's
    *("api.keyed.key_of", "api.keyset.columns_of", "api.shaping.is_planned", "api.shaping.own_attributes"),
    *("businesses.authentication.tokens", "businesses.fast.tokens", "businesses.fast.roles"),
    *("config.keepalive.date", "config.static.get_finder"),
    *("fast.compiled.ranges", "fast.inserts.fields", "fast.inserts.statement"),
    *("orders.fast.addresses", "orders.fast.products", "orders.fast.rights_and_addresses", "orders.states.steps"),
}
SHORT = {"api.pagecache.names": 512}  # keys and tags: of an audience, a digest and the revisions of companies


def caches() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in ("api", "businesses", "config", "orders", *(["fast"] if settings.FAST else [])):
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            if not settings.FAST and module.name.endswith(".fast"):
                continue
            for each in vars(importlib.import_module(module.name)).values():
                if isinstance(each, _lru_cache_wrapper) and each.__module__.startswith(f"{name}."):
                    found[f"{each.__module__}.{each.__qualname__}"] = each
    return found


def test_what_is_not_bounded_in_bytes_is_not_asked_by_clients() -> None:
    found = caches()
    assert found.keys() - BOUNDED_BY_CODE - SHORT.keys() == set()
    assert all(found[name].cache_info().maxsize <= most for name, most in SHORT.items())
