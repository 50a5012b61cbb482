"""What a process keeps of pages: only those that are right, and no more than so many bytes."""

from __future__ import annotations

import pytest

from api.pagecache import kept
from api.sealed import Page
from fast import shelf
from fast.shelf import Shelf


def leaf(stamp: str, body: bytes = b"x" * 10) -> Page:
    return Page(stamp, "application/json", "", body, 0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> Shelf:
    monkeypatch.setattr(shelf, "BYTES_MOST", 30)
    return Shelf()


def test_a_page_of_another_stamp_is_not_found(small: Shelf) -> None:
    page = leaf("1:5")
    small.put("key", page)
    assert small.get("key", "1:5") is page
    assert small.get("key", "1:6") is None
    assert small.get("other", "1:5") is None


def test_the_one_used_last_stays(small: Shelf) -> None:
    for name in "abc":
        small.put(name, leaf("1"))
    small.get("a", "1")
    small.put("d", leaf("1"))
    assert [name for name in "abcd" if small.get(name, "1")] == ["a", "c", "d"]


def test_a_newer_page_takes_the_place_of_the_old(small: Shelf) -> None:
    for stamp in map(str, range(9)):
        small.put("key", leaf(stamp))
        small.put("other", leaf("1"))
    assert small.get("key", "8")
    assert small.get("other", "1")
    assert small._bytes == 20


def test_what_is_larger_than_the_shelf_is_not_kept(small: Shelf) -> None:
    small.put("key", leaf("1", b"x" * 31))
    assert small.get("key", "1") is None
    assert small._bytes == 0


def page(stamp: str, kept_at: float = 2e9) -> Page:
    return Page(stamp, "application/json", "", b"[]", kept_at)


def test_a_page_that_another_process_renewed_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    shared = {"key": page("1:5")}
    monkeypatch.setattr(shelf, "shared", shared.get)
    assert kept("key", "1:5") is shared["key"]
    newer = shared["key"] = page("1:6")
    assert kept("key", "1:6") is newer
    shared.clear()
    assert kept("key", "1:6") is newer  # from the shelf
    assert kept("key", "1:5") is None


def test_a_page_is_no_longer_kept_than_where_it_is_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "shared", {}.get)
    shelf.shelf.put("key", page("1:5", kept_at=0))
    assert kept("key", "1:5") is None


def test_an_old_page_that_is_shared_is_not_put_on_the_shelf(monkeypatch: pytest.MonkeyPatch) -> None:
    old = page("1:5")
    monkeypatch.setattr(shelf, "shared", {"key": old}.get)
    assert kept("key", "1:6") is old  # given out while somebody computes the new one
    monkeypatch.setattr(shelf, "shared", {}.get)
    assert kept("key", "1:5") is None
