"""Pages are kept whole, shared by who may see the same, and never older than what they claim."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection, transaction

from api import pagecache
from businesses.models import Address, Company, Membership, Office, Role, User
from orders import summary
from orders.models import Order, OrderEvent, OrderLine, Product
from tests import factories
from tests.service import Client, Service

KEPT = ["/api/orders", "/api/orders/summary?group_by=office", "/api/offices", "/api/companies", "/api/products"]


def status(response: Any) -> str:
    """How the cache took part: hit, miss, stale, request or bypass."""
    found = re.match(r"orders; (?:fwd=)?(\w+)", response.headers["Cache-Status"])
    assert found
    return found[1]


@pytest.fixture
def order(office: Office, owner: User, product: Product) -> Order:
    return factories.order(office, owner)


@pytest.mark.parametrize("url", KEPT)
def test_a_hit_is_one_query_and_the_same_bytes(
    client_of: Any, owner: User, order: Order, queries: Any, url: str
) -> None:
    client = client_of(owner)
    first = client.get(url)
    again, count = queries(lambda: client.get(url))
    assert (status(first), status(again), count) == ("miss", "hit", 1)
    assert again.content == first.content
    assert 0 < int(again.headers["Cache-Status"].rpartition("=")[2]) <= pagecache.PAGE_SECONDS
    kept = ("ETag", "Link", "Content-Type", "Vary")
    assert [again.headers.get(name) for name in kept] == [first.headers.get(name) for name in kept]


def test_a_detail_is_kept_too(client_of: Any, owner: User, order: Order, queries: Any) -> None:
    client = client_of(owner)
    client.get(f"/api/orders/{order.pk}")
    again, count = queries(lambda: client.get(f"/api/orders/{order.pk}"))
    assert (status(again), count) == ("hit", 1)


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_a_hit_is_one_get_of_redis(client_of: Any, owner: User, order: Order, commands: Any) -> None:
    client = client_of(owner)
    client.get("/api/orders")
    again, seen = commands(lambda: client.get("/api/orders"))
    assert (status(again), seen) == ("hit", ["GET"])


def test_no_cache_computes_afresh_and_keeps_it(client_of: Any, owner: User, order: Order) -> None:
    client = client_of(owner)
    client.get("/api/orders")
    assert status(client.get("/api/orders", headers={"Cache-Control": "no-cache"})) == "request"
    assert status(client.get("/api/orders")) == "hit"


def test_no_store_leaves_what_is_kept_as_it_is(client_of: Any, owner: User, order: Order, store: str) -> None:
    """RFC 9111, 5.2.1.5: nothing of the answer is stored; what is there already may be given out."""
    client = client_of(owner)
    unkept = client.get("/api/orders", headers={"Cache-Control": "no-store"})
    assert unkept.headers["Cache-Status"] == "orders; fwd=miss"
    stored = "; stored" if store == "redis" else ""  # local memory never says so
    assert client.get("/api/orders").headers["Cache-Status"] == f"orders; fwd=miss{stored}"
    assert status(client.get("/api/orders", headers={"Cache-Control": "no-store"})) == "hit"
    anew = client.get("/api/orders", headers={"Cache-Control": "no-cache, no-store"})
    assert (anew.headers["Cache-Status"], status(client.get("/api/orders"))) == ("orders; fwd=request", "hit")
    assert anew.content == unkept.content


def test_head_is_a_get_without_its_body(client_of: Any, owner: User, order: Order) -> None:
    client = client_of(owner)
    read, head = client.get("/api/orders"), client.head("/api/orders")
    assert (head.status_code, head.content, status(head)) == (200, b"", "hit")
    assert head.headers["ETag"] == read.headers["ETag"]


def test_the_order_of_parameters_does_not_matter(client_of: Any, owner: User, order: Order) -> None:
    client = client_of(owner)
    one = client.get("/api/orders?limit=1&status=placed&status=approved")
    other = client.get("/api/orders?status=approved&status=placed&limit=1")
    assert (status(other), other.content) == ("hit", one.content)


def test_an_error_is_not_kept(client_of: Any, owner: User, order: Order) -> None:
    client = client_of(owner)
    for _ in range(2):
        assert client.get("/api/orders?bogus=1").status_code == 400
        assert client.get("/api/orders/999999").status_code == 404


def test_a_body_over_the_limit_is_not_kept(client_of: Any, owner: User, order: Order, monkeypatch: Any) -> None:
    monkeypatch.setattr(pagecache, "PAGE_MOST", 10)
    client = client_of(owner)
    assert [status(client.get("/api/orders")) for _ in range(2)] == ["miss", "miss"]


def test_reads_are_counted_when_they_are_computed(client_of: Any, owner: User, order: Order, settings: Any) -> None:
    settings.THROTTLES = settings.THROTTLES | {"user": (2, 3600)}
    client = client_of(owner)
    for _ in range(5):
        assert client.get("/api/orders").status_code == 200
    assert client.get("/api/orders?limit=1").status_code == 200
    assert client.get("/api/orders?limit=2").status_code == 429
    assert status(client.get("/api/orders")) == "hit"


# --- Who shares


def test_those_who_see_the_same_share_a_page(client_of: Any, company: Company, order: Order) -> None:
    one, other = (client_of(factories.member(company, Role.VIEWER)) for _ in range(2))
    assert (status(one.get("/api/orders")), status(other.get("/api/orders"))) == ("miss", "hit")


def test_buyers_do_not_share_as_their_own_orders_differ(client_of: Any, company: Company, office: Office) -> None:
    buyers = [factories.member(company, Role.BUYER) for _ in range(2)]
    factories.order(office, buyers[0])
    shown = [client_of(buyer).get("/api/orders").json()["results"][0]["allowed_transitions"] for buyer in buyers]
    assert shown == [["cancelled"], []]


def test_a_changed_role_shows_at_once(client_of: Any, company: Company, order: Order) -> None:
    viewer = factories.member(company, Role.VIEWER)
    client = client_of(viewer)
    client.get("/api/orders")
    Membership.objects.filter(user=viewer).update(role=Role.OWNER)
    assert client.get("/api/orders").json()["results"][0]["allowed_transitions"] == ["approved", "cancelled"]


# --- Every model that an answer shows, every way to write it


def bulk_update(row: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    type(row).objects.bulk_update([row], list(values))


def query_update(row: Any, **values: Any) -> None:
    type(row).objects.filter(pk=row.pk).update(**values)


def save(row: Any, **values: Any) -> None:
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


def raw(row: Any, **values: Any) -> None:
    with connection.cursor() as cursor:
        for name, value in values.items():
            cursor.execute(f"UPDATE {row._meta.db_table} SET {name} = %s WHERE id = %s", [value, row.pk])  # noqa: S608


WRITES = [save, query_update, bulk_update, raw]
CHANGES: dict[str, tuple[Callable[[Order], Any], dict[str, Any], str]] = {
    "order": (lambda order: order, {"currency": "CHF"}, "/api/orders"),
    "line": (lambda order: order.lines.first(), {"name": "changed"}, "/api/orders"),
    "company": (lambda order: order.company, {"name": "changed"}, "/api/orders"),
    "office": (lambda order: order.office, {"name": "changed"}, "/api/offices"),
    "user": (lambda order: order.placed_by, {"first_name": "changed"}, "/api/orders"),
    "address": (lambda order: order.placed_by.active_address, {"city": "changed"}, "/api/orders"),
    "product": (lambda order: Product.objects.get(), {"name": "changed"}, "/api/products"),
    "own name": (lambda order: order.placed_by, {"last_name": "changed"}, "/api/me"),
    "own address": (lambda order: order.placed_by.active_address, {"street": "changed"}, "/api/addresses"),
}


@pytest.mark.parametrize("write", WRITES, ids=lambda write: write.__name__)
@pytest.mark.parametrize("change", CHANGES)
def test_the_next_get_shows_a_write(
    client_of: Any, owner: User, order: Order, change: str, write: Callable[..., None]
) -> None:
    row_of, values, url = CHANGES[change]
    client = client_of(owner)
    before = client.get(url)
    write(row_of(Order.objects.get()), **values)
    after = client.get(url, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert next(iter(values.values())) in after.content.decode()


@pytest.mark.parametrize("model", [Office, Product, Order, OrderLine, OrderEvent, Address], ids=lambda m: m.__name__)
def test_rows_that_are_created_or_deleted_in_bulk_show(
    client_of: Any, owner: User, order: Order, model: type[Any]
) -> None:
    client = client_of(owner)
    url = {
        Office: "/api/offices",
        Product: "/api/products",
        Order: "/api/orders",
        OrderLine: f"/api/orders/{order.pk}?fields=lines",
        OrderEvent: f"/api/orders/{order.pk}?expand=events",
        Address: "/api/addresses",
    }[model]
    bodies = [client.get(url).content]
    row = model.objects.first()
    kept = {field.attname: getattr(row, field.attname) for field in model._meta.concrete_fields if not field.generated}
    new = {"id": None, "name": "new", "sku": "new", "number": "new", "position": 99, "active": False, "kind": "edited"}
    created = model(**kept | {name: value for name, value in new.items() if name in kept})
    model.objects.bulk_create([created])
    bodies.append(client.get(url).content)
    if model is not OrderEvent:  # which can't be deleted
        model.objects.filter(pk=created.pk).delete()
        bodies.append(client.get(url).content)
        assert bodies[2] == bodies[0]
    assert bodies[1] != bodies[0]


def test_what_a_rolled_back_savepoint_bumped_is_bumped_again(
    client_of: Any, owner: User, order: Order, company: Company
) -> None:
    client = client_of(owner)
    client.get("/api/offices")
    with transaction.atomic():
        sid = transaction.savepoint()
        Office.objects.update(name="first")
        transaction.savepoint_rollback(sid)
        Office.objects.update(name="second")
    assert client.get("/api/offices").json()["results"][0]["name"] == "second"


# --- Stampede


def test_sixteen_readers_of_an_expired_page_compute_it_at_most_twice(
    client_of: Any, owner: User, order: Order, monkeypatch: Any
) -> None:
    url, computing, go = "/api/orders/summary?group_by=office", threading.Event(), threading.Event()
    clients = [client_of(owner) for _ in range(16)]
    clients[0].get(url)
    Order.objects.update(currency="CHF")
    summarise, calls = summary.summarise, []

    def slow(*args: Any) -> Any:
        calls.append(1)
        computing.set()
        assert go.wait(20)
        return summarise(*args)

    monkeypatch.setattr("orders.views.summarise", slow)

    def read(client: Any) -> Any:
        try:
            return client.get(url)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        first = pool.submit(read, clients[0])
        assert computing.wait(20)
        others = list(pool.map(read, clients[1:]))  # while the first one computes: nobody waits
        go.set()
        computed = first.result()
    assert len(calls) == 1
    assert status(computed) == "stale"
    assert {response.headers["Cache-Status"] for response in others} == {"orders; hit; ttl=-1; detail=stale"}
    assert not {response.headers["ETag"] for response in others} & {computed.headers["ETag"]}
    assert b"CHF" in computed.content
    fresh = clients[1].get(url)
    assert (status(fresh), fresh.content) == ("hit", computed.content)


def test_a_computation_that_fails_lets_the_next_one_try(
    client_of: Any, owner: User, order: Order, monkeypatch: Any
) -> None:
    client, url = client_of(owner), "/api/orders/summary?group_by=office"
    client.get(url)
    Order.objects.update(currency="CHF")
    client.raise_request_exception = False
    with monkeypatch.context() as broken:
        broken.setattr("orders.views.summarise", lambda *args: 1 / 0)
        assert client.get(url).status_code == 500
    assert status(client.get(url)) == "stale"


# --- Two processes


@pytest.fixture
def clients(database_url: str, token: str, order: Order) -> Iterator[list[Client]]:
    """The owner at each of two server processes on this test's database and Redis."""
    with ExitStack() as stack:
        servers = [stack.enter_context(Service.start(DATABASE_URL=database_url)) for _ in range(2)]
        yield [Client(server.port, token) for server in servers]


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_a_write_in_one_process_shows_in_the_next_read_of_the_other(
    clients: list[Client], office: Office, product: Product
) -> None:
    one, other = clients
    body = {"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}]}
    for number in range(1, 6):
        kept = one.get("/api/orders")
        assert other.get("/api/orders").headers["cache-status"].startswith("orders; hit")
        assert other.get("/api/orders").body == kept.body
        assert other.post("/api/orders", body).status == 201
        assert one.get("/api/orders").body.count(b'"number"') == number + 1


# --- Commands


@pytest.mark.parametrize("store", ["redis"], indirect=True)
def test_cache_stats_counts_what_happened(
    client_of: Any, owner: User, order: Order, capsys: Any, monkeypatch: pytest.MonkeyPatch, in_another_process: Any
) -> None:
    monkeypatch.setattr(pagecache, "TALLY_SECONDS", 0)
    client = client_of(owner)
    client.get("/api/companies")  # writes down what earlier tests left
    cache.clear()
    for _ in range(4):
        client.get("/api/orders")
    client.get("/api/orders?limit=1")  # a computation writes the counts down
    call_command("cache_stats")
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if "api/orders " in line)
    assert re.findall(r"\d+", row)[:3] == ["3", "5", "60"]  # hits, reads, per cent
    call_command("cache_clear")
    in_another_process()
    assert not list(cache.iter_keys("page:*"))  # type: ignore[attr-defined]
    assert status(client.get("/api/orders")) == "miss"
