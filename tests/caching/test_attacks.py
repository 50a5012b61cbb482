"""What could make a kept page wrong, old or somebody else's, tried one thing at a time."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import threading
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import lz4.frame
import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction

from api import pagecache, sealed, throttling
from api.cached import FORM
from api.sealed import Page
from businesses.models import Address, Company, Membership, Office, Role, User
from orders.models import Order, Product
from querybudget import captures
from tests import factories, outages
from tests.caching.test_pages import status

URL = "/api/orders"
CAPTURED: Any = {
    "made": "2026-01-31T08:00:00Z",
    "endpoints": [{"endpoint": "GET /", "queries": 1, "findings": [], "seconds": 0.1, "status": 200}],
}


@pytest.fixture
def order(office: Office, owner: User, product: Product) -> Order:
    return factories.order(office, owner)


@pytest.fixture
def client(client_of: Any, owner: User, order: Order) -> Any:
    return client_of(owner)


def elsewhere(work: Callable[..., Any], **values: Any) -> Any:
    """What `work` returns on a connection of its own."""

    def run() -> Any:
        try:
            return work(**values)
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(run).result()


def page_keys() -> list[str]:
    if hasattr(cache, "iter_keys"):
        return [key for key in cache.iter_keys("page:*") if key.count(":") == 2]
    return [key.split(":", 2)[2] for key in cache._cache if ":page:" in key]  # type: ignore[attr-defined]


# --- Transactions


class Undone(Exception):  # noqa: N818
    pass


def test_a_write_that_is_rolled_back_was_never_shown_nor_is_its_revision(client: Any, office: Office) -> None:
    first = client.get(URL)
    with pytest.raises(Undone), transaction.atomic():
        Office.objects.update(name="never")
        assert b"never" in client.get(URL).content  # it sees its own write, which nobody keeps
        assert elsewhere(lambda: client.get(URL)).content == first.content
        raise Undone
    again = client.get(URL)
    assert (status(again), again.content, again.headers["ETag"]) == ("hit", first.content, first.headers["ETag"])


def test_a_revision_that_was_rolled_back_is_given_again_and_means_something_else(
    client: Any, company: Company, office: Office
) -> None:
    client.get(URL)
    for name in ("never", "really"):
        try:
            with transaction.atomic():
                Office.objects.update(name=name)
                company.refresh_from_db()
                client.get(URL)
                if name == "never":
                    raise Undone
        except Undone:
            undone = company.revision
    assert company.revision == undone
    shown = client.get(URL)
    assert b"really" in shown.content
    assert b"never" not in shown.content


@pytest.mark.query_budget(4, "GET /api/orders", reason="the other's write runs inside of this request")
@pytest.mark.parametrize("between", ["scope and rows", "rows and keeping"])
def test_a_commit_inside_a_computation_is_shown_by_the_next_read(
    client: Any, monkeypatch: pytest.MonkeyPatch, between: str
) -> None:
    module, name = (pagecache, "rendered") if between == "scope and rows" else (pagecache, "keep")
    original = getattr(pagecache, name)

    def disturbed(*args: Any) -> Any:
        elsewhere(lambda: Office.objects.update(name="committed"))
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, disturbed)
        during = client.get(URL)
    after = client.get(URL, headers={"If-None-Match": during.headers["ETag"]})
    assert (after.status_code, status(after)) == (200, "stale")
    assert b"committed" in after.content


@pytest.mark.parametrize("shown", ["name", "address"])
def test_who_changes_while_an_order_of_theirs_appears(client: Any, order: Order, shown: str) -> None:
    """The change can't see yet in which company it will show, nor the company's page what is not committed."""
    stranger, changed, go_on = factories.user(last_name="Old"), threading.Event(), threading.Event()
    factories.active_address(stranger, city="Old")

    def change() -> None:
        with transaction.atomic():
            if shown == "name":
                User.objects.filter(pk=stranger.pk).update(last_name="New")
            else:
                Address.objects.filter(user=stranger).update(city="New")
            changed.set()
            assert go_on.wait(10)

    with ThreadPoolExecutor(2) as pool:
        changing = pool.submit(elsewhere, change)
        assert changed.wait(10)
        appearing = pool.submit(elsewhere, Order.objects.filter(pk=order.pk).update, placed_by=stranger)
        wait([appearing], timeout=0.5)
        client.get(URL)
        go_on.set()
        changing.result()
        appearing.result()
    assert b"New" in client.get(URL).content


# --- Rights


def test_a_member_who_leaves_sees_nothing_of_it(client: Any, owner: User, order: Order) -> None:
    assert client.get(URL).json()["results"]
    Membership.objects.filter(user=owner).delete()
    assert client.get(URL).json()["results"] == []
    assert client.get(f"{URL}/{order.pk}").status_code == 404


def test_an_office_or_company_that_is_deleted_is_gone(client_of: Any, company: Company, office: Office) -> None:
    boss = client_of(factories.member(company))
    Membership.objects.create(user=User.objects.get(), company=factories.company(), role=Role.OWNER)
    assert [len(boss.get(url).json()["results"]) for url in ("/api/offices", "/api/companies")] == [1, 2]
    office.delete()
    Membership.objects.exclude(company=company).delete()
    Company.objects.exclude(pk=company.pk).delete()
    assert [len(boss.get(url).json()["results"]) for url in ("/api/offices", "/api/companies")] == [0, 1]


@pytest.mark.parametrize("how", ["deactivated", "token revoked"])
def test_who_may_not_come_in_gets_no_kept_page(client: Any, owner: User, how: str) -> None:
    tag = client.get(URL).headers["ETag"]
    if how == "deactivated":
        User.objects.filter(pk=owner.pk).update(is_active=False)
    else:
        assert client.post("/api/auth/logout").status_code == 204
    assert client.get(URL).status_code == 401
    assert client.get(URL, headers={"If-None-Match": tag}).status_code == 401


# --- Forms of the same request


@pytest.mark.query_budget(3, "GET /api/orders", reason="other forms than dense JSON are rendered by the serializer")
@pytest.mark.parametrize(
    "other",
    [
        {"headers": {"Host": "localhost"}},
        {"secure": True},
        {"headers": {"Accept": "application/json; indent=4"}},
        {"headers": {"Accept": "text/html"}},
    ],
    ids=["host", "scheme", "indented", "browsable"],
)
def test_another_form_of_a_request_is_another_page(client: Any, owner: User, office: Office, other: Any) -> None:
    factories.order(office, owner)
    url = f"{URL}?limit=1"
    for first, second in (({}, other), (other, {})):
        cache.clear()
        one, two = client.get(url, **first), client.get(url, **second)
        assert one.content != two.content
        assert one.headers["ETag"] != two.headers["ETag"]
        assert "hit" not in status(two)


def test_what_another_release_kept_is_not_read(client: Any, settings: Any, in_another_process: Any) -> None:
    """Two releases serve side by side while one replaces the other."""
    first = client.get(URL)
    settings.RELEASE = "another"
    in_another_process()
    other = client.get(URL)
    assert status(other) == "miss"
    assert other.headers["ETag"] != first.headers["ETag"]


def test_pages_with_cursors_are_not_kept_beyond_the_key_that_signed_them(
    client: Any, owner: User, office: Office, settings: Any, in_another_process: Any
) -> None:
    factories.order(office, owner)
    client.get(f"{URL}?limit=1")
    settings.SECRET_KEY = "another-key-for-tests-0123456789-0123456789-0123456789"
    in_another_process()
    following = client.get(f"{URL}?limit=1").json()["next"]
    assert client.get(following).status_code == 200


def test_a_very_long_query_is_kept_like_any_other(client: Any, order: Order) -> None:
    url = f"{URL}?" + "&".join(f"office={number}" for number in [order.office_id, *range(10**9, 10**9 + 900)])
    assert [status(client.get(url)) for _ in range(2)] == ["miss", "hit"]
    assert all(len(key) < 150 for key in page_keys())


@pytest.mark.parametrize("url", ["/api/orders?bogus=1", "/api/orders/999999"])
def test_a_star_needs_something_to_hold_for(client: Any, url: str) -> None:
    """RFC 9110, 13.2.1: conditions are ignored where the answer without them is no success."""
    assert client.get(url, headers={"If-None-Match": "*"}).status_code == client.get(url).status_code


@pytest.mark.parametrize("given", ["other", '"', '"a" "b"', ",", "W/*"])
def test_a_condition_that_is_none_is_ignored(client: Any, given: str) -> None:
    assert client.get(URL, headers={"If-None-Match": given}).status_code == 200


@pytest.mark.parametrize("given", ["no-cache", "No-Cache", "max-age=0, no-cache"])
def test_no_cache_in_any_form(client: Any, given: str) -> None:
    client.get(URL)
    assert status(client.get(URL, headers={"Cache-Control": given})) == "request"


# --- The cache itself


class Trap:
    """As a pickle: a program that whoever reads it runs."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> Any:
        return Path.touch, (self.sprung,)


@pytest.fixture
def raw(client: Any) -> Any:
    """`raw()`: the bytes that Redis has of a page; `raw(value)` puts others there."""
    client.get(URL)
    (key,) = page_keys()
    redis, name = cache.client.get_client(), cache.make_key(key)  # type: ignore[attr-defined]
    return lambda *value: redis.set(name, *value) if value else redis.get(name)


def damaged(page: bytes) -> dict[str, bytes]:
    again = sealed.seal("page:another:key", Page("1:1", "text/html", "", b"<script>", 9e9))
    body = lz4.frame.compress(b'["1:1", "text/html", "", 9e9]\n<script>')
    return {
        "empty": b"",
        "cut short": page[: len(page) // 2],
        "its last byte": page[:-1],
        "a bit": page[:30] + bytes([page[30] ^ 1]) + page[31:],
        "its signature": page[:1] + bytes(16) + page[17:],
        "nonsense": b"\xff\x00 nothing",
        "a pickle": pickle.dumps(("stamp", "text/html", "", b"<script>", 9e9)),
        "JSON": b'["1:1", "text/html", "", "<script>", 9e9]',
        "deep JSON": b"[" * 100_000,
        "a number": b"12",
        "signed by nobody": b"\0" + hashlib.blake2b(body, digest_size=16).digest() + body,
        "of another key": b"\0" + again,
        "large": b"\0" + bytes(16) + lz4.frame.compress(bytes(10**8)),
    }


@pytest.mark.parametrize("store", ["redis"], indirect=True)
@pytest.mark.parametrize("damage", damaged(bytes(99)))
def test_what_this_service_has_not_kept_is_a_miss(client: Any, raw: Any, in_another_process: Any, damage: str) -> None:
    first = client.get(URL)
    raw(damaged(raw())[damage])
    in_another_process()
    again = client.get(URL)
    assert (again.status_code, status(again), again.content) == (200, "miss", first.content)
    assert status(client.get(URL)) == "hit"


@pytest.mark.parametrize("store", ["redis"], indirect=True)
@pytest.mark.parametrize("pack", [bytes, lz4.frame.compress, zlib.compress])
def test_nothing_that_is_read_from_redis_runs(
    client: Any, raw: Any, in_another_process: Any, tmp_path: Path, admin_client: Any, pack: Any
) -> None:
    """Under whatever key: pages, their locks and counts, limits, readiness, captured requests."""
    sprung = tmp_path / "sprung"
    trap = pack(pickle.dumps(Trap(sprung)))
    throttling.take("login-user", "ada")
    redis = cache.client.get_client()  # type: ignore[attr-defined]
    call_command("cache_stats", stdout=io.StringIO())
    captures.keep("0" * 16, CAPTURED)
    keys = redis.keys("*")
    assert len(keys) >= 5
    for key in [*keys, cache.make_key("readyz"), *map(cache.make_key, map(captures._place, range(50)))]:
        redis.set(key, trap)
    in_another_process()
    Office.objects.update(name="changed")
    assert client.get(URL).status_code == 200
    assert client.get("/readyz").status_code == 200
    assert throttling.take("login-user", "ada").remaining >= 0
    assert captures.kept("0" * 16) is None
    assert captures.recent() == []
    assert admin_client.get("/-/queries/").status_code == 200
    assert not sprung.exists()


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_a_page_that_another_secret_has_signed_is_not_read(client: Any, settings: Any) -> None:
    client.get(URL)
    settings.SECRET_KEY = "another"
    (key,) = page_keys()
    assert pagecache.shared(key) is None


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_releases_of_another_form_do_not_meet(client: Any, raw: Any) -> None:
    names = [key for key in cache.client.get_client().keys("*") if b"page" in key]  # type: ignore[attr-defined]
    assert names
    assert all(name.startswith(b":%d:" % FORM) for name in names)
    assert FORM > 1  # whose values were pickles


@pytest.mark.parametrize("value", [1, "text", None, (), ("stamp", "text/plain"), {"stamp": 1}, b"bytes"])
def test_a_value_of_another_layout_is_a_miss(client: Any, value: Any) -> None:
    first = client.get(URL)
    (key,) = page_keys()
    cache.set(key, value)
    assert (status(again := client.get(URL)), again.content) == ("miss", first.content)


def test_a_cache_that_is_emptied_while_a_page_is_computed(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client.get(URL)
    Office.objects.update(name="changed")
    original = pagecache.rendered

    def emptied(*args: Any) -> Any:
        cache.clear()
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(pagecache, "rendered", emptied)
        assert b"changed" in client.get(URL).content
    assert (status(again := client.get(URL)), b"changed" in again.content) == ("hit", True)


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_a_cache_that_goes_away_while_a_page_is_computed(
    client: Any, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    client.get(URL)
    Office.objects.update(name="changed")
    original, caches = pagecache.rendered, settings.CACHES

    def away(*args: Any) -> Any:
        settings.CACHES = outages.no_caches(settings)
        return original(*args)

    with monkeypatch.context() as patch:
        patch.setattr(pagecache, "rendered", away)
        computed = client.get(URL)
    assert (computed.status_code, b"changed" in computed.content) == (200, True)
    assert computed.headers["Cache-Status"] == "orders; fwd=stale"  # and not stored
    settings.CACHES = caches
    assert b"changed" in client.get(URL).content


def test_a_page_that_has_grown_too_large_does_not_leave_an_old_one_behind(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get(URL)
    Office.objects.update(name="changed")
    monkeypatch.setattr(pagecache, "PAGE_MOST", 10)
    assert [status(client.get(URL)) for _ in range(2)] == ["stale", "miss"]
    assert page_keys() == []


def test_a_lock_is_given_back_when_a_page_is_kept(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whatever removes the new page and brings the old one back would make it be served for the lock's time."""
    client.get(URL)
    (key,) = page_keys()
    old = cache.get(key)
    Office.objects.update(name="changed")
    client.get(URL)
    cache.set(key, old)
    assert b"changed" in client.get(URL).content


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_the_cache_says_whether_it_stored(client: Any, settings: Any) -> None:
    assert client.get(URL).headers["Cache-Status"] == "orders; fwd=miss; stored"
    settings.CACHES = outages.no_caches(settings)
    assert client.get(URL).headers["Cache-Status"] == "orders; fwd=miss"


def test_products_know_no_companies(client: Any, client_of: Any, product: Product) -> None:
    """Everybody shares them: nothing in the body may depend on who asks."""
    stranger = client_of(factories.user())
    assert status(client.get("/api/products")) == "miss"
    shared = stranger.get("/api/products")
    assert status(shared) == "hit"
    Product.objects.update(unit_price="9.99")
    assert json.loads(stranger.get("/api/products").content)["results"][0]["unit_price"] == "9.99"
