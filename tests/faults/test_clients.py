"""Clients that leave, dawdle or never ask: what they hold is given back, and others do not notice."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.db import transaction

from config import lanes
from tests import factories
from tests.faults.activity import served, waiting_for_a_lock, working
from tests.faults.conftest import Serve, slow
from tests.faults.router import Router, hang_up
from tests.service import Client
from tests.waiting import eventually

if TYPE_CHECKING:
    from businesses.models import Office, User

CHUNK = 1000  # orders that an export reads at once
WIDE = "漢" * 200  # as wide as a text may be, in three bytes a character
AT_ONCE = 1.0  # seconds, on a machine that does other things too


def latencies(client: Client, path: str, number: int = 20) -> list[float]:
    """Seconds of each of `number` requests, one after the other, all of them answered."""
    taken = []
    for _ in range(number):
        began = time.monotonic()
        assert client.get(path).status == 200
        taken.append(time.monotonic() - began)
    return taken


# --- They leave


def test_leaving_in_the_middle_of_a_stream_closes_cursor_and_transaction(
    serve_here: Serve, token: str, owner: User, office: Office
) -> None:
    """The rest of the export would take 20 s; the only thread is free again after the part under way."""
    factories.copies(factories.order(office, owner), 20 * CHUNK)
    service = serve_here(WEB_THREADS="1")
    with slow("orders_orderline", 1), Router(service.port) as router:
        client = Client(router.port, token)
        assert client.get("/api/me").status == 200
        leaving = client.reading("/api/orders/export?fields=id,lines.sku")
        assert leaving.recv(1000)
        assert working() == 1
        hang_up(leaving)
        began = time.monotonic()
        assert eventually(lambda: working() == 0, seconds=8)
        print(f"a stream's transaction ended {time.monotonic() - began:.1f} s after its client left")
        assert client.get("/api/me").status == 200
        leaving = client.reading("/api/orders/export?fields=id,lines.sku")
        assert leaving.recv(1000)
        assert served() == 2  # one is the stream's, and is used again
        hang_up(leaving)
        assert eventually(lambda: router.errors == {"H27": 2})


def test_leaving_the_queue_leaves_no_work(serve_here: Serve, token: str, office: Office) -> None:
    from businesses.models import Company
    from orders.models import Order

    body = {"office": office.pk, "lines": [{"sku": factories.product().sku, "quantity": 1}]}
    service = serve_here(WEB_THREADS="1")
    with Router(service.port) as router, ThreadPoolExecutor(8) as pool:
        client, impatient = Client(router.port, token), Client(router.port, token, timeout=0.5)

        def give_up(number: int) -> None:
            with contextlib.suppress(TimeoutError):
                impatient.post("/api/orders", body, **{"Idempotency-Key": f"abandoned-{number}"})

        with transaction.atomic():
            Company.objects.select_for_update().get(pk=office.company_id)
            running = pool.submit(client.post, "/api/orders", body, **{"Idempotency-Key": "running"})
            assert eventually(waiting_for_a_lock)
            list(pool.map(give_up, range(5)))
            assert eventually(lambda: router.errors == {"H27": 5})
            waits = pool.submit(client.post, "/api/orders", body, **{"Idempotency-Key": "patient"})
            time.sleep(0.2)
        assert [running.result().status, waits.result().status] == [201, 201]  # the only thread came past all of them
    assert set(Order.objects.values_list("idempotency_key", flat=True)) == {"running", "patient"}


# --- They never ask, or never read


@contextmanager
def half_open(port: int, number: int) -> Iterator[None]:
    """Connections on which half a request was sent."""
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            connection.sendall(b"GET /api/orders HTTP/1.1\r\nHost: loc")
        yield


def test_half_open_connections(serve_here: Serve, token: str, owner: User, office: Office) -> None:
    factories.order(office, owner)
    service = serve_here(WEB_THREADS="2")
    client = Client(service.port, token)
    with half_open(service.port, 120):
        taken = latencies(client, "/api/orders")
    print(f"beside 120 half-open connections: {max(taken) * 1000:.0f} ms at most")
    assert max(taken) < AT_ONCE


def test_slow_readers(serve_here: Serve, token: str, owner: User, office: Office) -> None:
    """Twice as many as there are threads. What they don't read waits outside memory and outside the threads."""
    wide, place = {"name": WIDE}, {"ship_street": WIDE, "ship_city": WIDE[:100]}
    order = factories.order(factories.office(office.company, **wide), owner, lines=0, **place)
    owner.addresses.update(street=WIDE, city=WIDE[:100])
    factories.copies(order, 4 * CHUNK)
    service = serve_here(WEB_THREADS="2")
    client = Client(service.port, token)
    path = "/api/orders/export"
    size = len(client.get(path).body)
    assert size > 10_000_000
    before = service.megabytes()
    slow_ones = [client.reading(path) for _ in range(4)]
    for each in slow_ones:
        assert each.recv(100)
    assert eventually(lambda: working() == 0, seconds=60)
    taken = latencies(client, "/api/orders?limit=1")
    grown = service.megabytes() - before
    print(f"beside 4 readers of {size / 1e6:.0f} MB: {max(taken) * 1000:.0f} ms at most, {grown:.0f} MB more")
    assert max(taken) < AT_ONCE
    assert grown < 30  # of 40 MB that they have not read
    for each in slow_ones:  # and they still get all of it
        received = 100
        while received < size:
            received += len(each.recv(1 << 20))
        each.close()


# --- A stream that pauses


def test_a_stream_that_pauses(serve_here: Serve, token: str, owner: User, office: Office) -> None:
    """Each part leaves when it is made, and nothing is done between two of them."""
    from orders.models import OrderLine

    orders = factories.copies(factories.order(office, owner, lines=0), 2 * CHUNK - 1)
    pauses = orders[CHUNK // 2]  # the newest come first
    OrderLine.objects.create(order=pauses, position=1, sku="SKU-1", name="Thing", quantity=1, unit_price=1, total=1)
    service = serve_here(WEB_THREADS="2")
    client = Client(service.port, token)
    assert client.get("/api/me").status == 200
    with slow("orders_orderline", 3, at=f"order_id = {pauses.pk}"):
        began = time.monotonic()
        with client.reading("/api/orders/export?format=csv&fields=id,lines.sku") as stream:
            received = b""

            def read_until(enough: Callable[[], bool]) -> float:
                """Seconds from the request until then."""
                nonlocal received
                while not enough():
                    part = stream.recv(1 << 20)
                    assert part, received
                    received += part
                return time.monotonic() - began

            head = read_until(lambda: b"lines.sku" in received)
            half = read_until(lambda: received.count(b",\r\n") >= CHUNK)
            used = service.cpu_seconds()
            time.sleep(1.5)
            used = service.cpu_seconds() - used
            end = read_until(lambda: received.count(b",\r\n") == 2 * CHUNK - 1)
    print(f"first chunk after {head:.2f} s, half after {half:.1f} s, end after {end:.1f} s; {used / 1.5:.1%} of a core")
    assert head < AT_ONCE
    assert half < AT_ONCE  # it was not kept back until the second was there
    assert end - half > 2
    assert used < 0.15


# --- Connections to the database


def test_there_are_never_more_connections_than_are_counted_on(
    serve_here: Serve, token: str, owner: User, office: Office
) -> None:
    factories.copies(factories.order(office, owner), 5 * CHUNK)
    service = serve_here(WEB_THREADS="3")
    client, most = Client(service.port, token), 0
    paths = ["/api/orders", "/api/me", "/api/orders/export?fields=id", "/api/nothing", "/readyz"]
    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(client.get, paths[number % len(paths)]) for number in range(150)]
        while not all(task.done() for task in asked):
            most = max(most, served())
            for _ in range(2):  # and some leave
                hang_up(client.reading("/api/orders/export"))
            time.sleep(0.05)
    print(f"connections with 3 threads and 12 clients: {most} at most")
    assert {task.result().status for task in asked} == {200, 404}
    assert 3 <= most <= 3 + lanes.OTHER_CONNECTIONS
    assert served() <= 3 + lanes.OTHER_CONNECTIONS
