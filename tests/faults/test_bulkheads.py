"""Nobody who waits for somebody else holds the threads of those who don't: readers, writers behind a lock, log-ins."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from django.db import transaction

from config import lanes, patience
from tests import factories
from tests.faults.activity import waiting_for_a_lock, working
from tests.faults.conftest import Serve
from tests.faults.test_clients import AT_ONCE, WIDE, latencies
from tests.sample import full
from tests.service import Client, Service
from tests.waiting import early_in_a_minute, eventually

if TYPE_CHECKING:
    from businesses.models import Office, User

THREADS = 2
EXPORT = "/api/orders/export"


@contextlib.contextmanager
def locked(company: int) -> Iterator[None]:
    from businesses.models import Company

    with transaction.atomic():
        Company.objects.select_for_update().get(pk=company)
        yield


def strangers() -> tuple[Office, str]:
    """Another company's office, and the token of somebody who orders there."""
    from businesses import tokens

    office = factories.office()
    return office, tokens.issue(factories.member(office))[0]


def order_of(office: Office) -> dict[str, Any]:
    return {"office": office.pk, "lines": [{"sku": factories.product().sku, "quantity": 1}]}


# --- Readers


@pytest.fixture
def large(owner: User, office: Office) -> int:
    """Orders whose export is larger than what waitress keeps for a reader; its bytes, about."""
    wide, place = {"name": WIDE}, {"ship_street": WIDE, "ship_city": WIDE[:100]}
    order = factories.order(factories.office(office.company, **wide), owner, lines=0, **place)
    owner.addresses.update(street=WIDE, city=WIDE[:100])
    factories.copies(order, 9_000)
    return 25_000_000


def test_readers_that_stop_hold_nobody_up(serve_here: Serve, token: str, large: int) -> None:
    service = serve_here(WEB_THREADS=str(THREADS))
    client = Client(service.port, token)
    assert client.get("/api/orders?limit=1").status == 200
    readers = [client.reading(EXPORT) for _ in range(3 * THREADS)]
    try:
        assert readers[0].recv(100)
        time.sleep(3)  # the streams are as far as they get
        assert working() == lanes.streams_of(THREADS)
        for path in ("/healthz", "/readyz", "/api/orders?limit=1"):
            assert max(latencies(client, path)) < AT_ONCE
        began = time.monotonic()
        assert eventually(lambda: working() == 0, seconds=6 * patience.TAKE_SECONDS)
        print(f"the transactions of readers that stopped ended after {time.monotonic() - began:.1f} s")
    finally:
        for each in readers:
            each.close()


@full
def test_a_reader_that_sips_is_ended(serve_here: Serve, token: str, large: int) -> None:
    service = serve_here(WEB_THREADS=str(THREADS))
    reader = Client(service.port, token).reading(EXPORT)
    began, received = time.monotonic(), 0
    with reader, contextlib.suppress(ConnectionError):
        while (part := reader.recv(1000)) and time.monotonic() - began < 4 * patience.TAKE_SECONDS:
            received += len(part)
            time.sleep(0.25)
            if working() == 0 and received > 20_000:
                break
    assert working() == 0
    assert received < 1_000_000


@full
def test_a_reader_that_takes_its_time_gets_all(serve_here: Serve, token: str, large: int) -> None:
    """One megabyte a second, with pauses, is far from the least."""
    service = serve_here(WEB_THREADS=str(THREADS))
    received = b""
    with Client(service.port, token).reading(EXPORT) as reader:
        while not received.endswith(b"0\r\n\r\n"):
            part = reader.recv(1 << 20)
            assert part
            received = received[-10:] + part
            time.sleep(len(part) / 2_000_000)


@full
def test_excess_readers_are_told_to_come_back(serve_here: Serve, token: str, large: int) -> None:
    service = serve_here(WEB_THREADS=str(THREADS))
    client = Client(service.port, token)
    readers = [client.reading(EXPORT) for _ in range(lanes.streams_of(THREADS))]
    try:
        assert all(each.recv(100) for each in readers)
        time.sleep(1)
        began = time.monotonic()
        answer = client.get(EXPORT)
        waited = time.monotonic() - began
    finally:
        for each in readers:
            each.close()
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["instance"] == EXPORT
    assert lanes.WAIT_SECONDS - 1 < waited < lanes.WAIT_SECONDS + 5


# --- Writers


@pytest.mark.parametrize("threads", [pytest.param(2, marks=full), 4])
def test_writers_behind_a_lock_hold_nobody_up(serve_here: Serve, token: str, office: Office, threads: int) -> None:
    other, stranger = strangers()
    service = serve_here(WEB_THREADS=str(threads))
    client, others = Client(service.port, token), Client(service.port, stranger)
    body, their_body = order_of(office), order_of(other)
    assert others.post("/api/orders", their_body).status == 201
    with ThreadPoolExecutor(3 * threads) as pool:
        with locked(office.company_id):
            writing = [pool.submit(client.post, "/api/orders", body) for _ in range(3 * threads)]
            assert eventually(waiting_for_a_lock)
            time.sleep(0.5)
            assert waiting_for_a_lock() <= threads // 2
            for path in ("/healthz", "/readyz", "/api/orders?limit=1"):
                assert max(latencies(others, path)) < AT_ONCE
            if threads > 2:
                began = time.monotonic()
                assert others.post("/api/orders", their_body).status == 201
                assert time.monotonic() - began < AT_ONCE
        answers = [each.result() for each in writing]
    assert {answer.status for answer in answers} == {201}  # all of them, when the lock is gone
    assert len({answer.json()["id"] for answer in answers}) == 3 * threads
    assert len({answer.json()["number"] for answer in answers}) == 3 * threads


@full
def test_writers_that_wait_for_too_long_are_told_to_come_back(serve_here: Serve, token: str, office: Office) -> None:
    service = serve_here(WEB_THREADS=str(THREADS))
    client, body = Client(service.port, token), order_of(office)
    with ThreadPoolExecutor(3) as pool, locked(office.company_id):
        writing = [pool.submit(client.post, "/api/orders", body) for _ in range(3)]
        answers = [each.result() for each in writing[::-1]]
    assert {answer.status for answer in answers} == {503}
    for answer in answers:
        assert int(answer.headers["retry-after"]) > 0
        assert answer.headers["content-type"] == "application/problem+json"
    from orders.models import Order

    assert not Order.objects.exists()


def test_what_waits_is_counted_once_and_logged_once(serve_here: Serve, token: str, office: Office) -> None:
    service = serve_here(WEB_THREADS=str(THREADS), THROTTLE_USER="50")
    client, body = Client(service.port, token), order_of(office)
    early_in_a_minute(20)
    with ThreadPoolExecutor(3) as pool:
        with locked(office.company_id):
            writing = [pool.submit(client.post, "/api/orders", body) for _ in range(3)]
            assert eventually(waiting_for_a_lock)
            time.sleep(0.5)
        answers = [each.result() for each in writing]
    left = sorted(answer.headers["ratelimit"].split("r=")[1].split(";")[0] for answer in answers)
    assert [answer.status for answer in answers] == [201] * 3
    assert left == ["47", "48", "49"]
    lines = [json.loads(line) for line in service.log if '"route": "/api/orders"' in line]
    assert eventually(lambda: len([each for each in service.log if '"route": "/api/orders"' in each]) == 3), lines


# --- Log-ins


def test_guessers_hold_nobody_up(serve_here: Serve, token: str) -> None:
    service = serve_here(WEB_THREADS=str(THREADS), BEHIND_ROUTER="1", THROTTLE_LOGIN_ADDRESS="100000")
    client, ended = Client(service.port, token), threading.Event()

    def guess(number: int) -> list[int]:
        found: list[int] = []
        while not ended.is_set():
            address, body = {"X-Forwarded-For": f"10.1.{number}.{len(found)}"}, {"username": f"u{number}-{len(found)}"}
            found.append(client.post("/api/auth/login", body | {"password": "guess"}, **address).status)
        return found

    with ThreadPoolExecutor(8) as pool:
        guessing = [pool.submit(guess, number) for number in range(8)]
        time.sleep(2)
        taken = sorted(latencies(client, "/api/orders?limit=1") + latencies(client, "/healthz"))
        ended.set()
        assert {status for each in guessing for status in each.result()} <= {401, 503}
    print(f"beside 8 guessers: {taken[len(taken) // 2] * 1000:.0f} ms, {taken[-1] * 1000:.0f} ms at most")
    assert taken[-1] < AT_ONCE


# --- The places of connections


def sending(service: Service, number: int, header: str = "") -> list[socket.socket]:
    """Connections that begin to send a body, and go on no further."""
    found = []
    for each in range(number):
        connection = socket.create_connection(("127.0.0.1", service.port), timeout=20)
        connection.sendall(
            b"POST /api/auth/login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 900000\r\nX-Forwarded-For: 10.2.%d.%d\r\n\r\n" % (each // 250, each % 250)
        )
        found.append(connection)
    return found


def test_slow_bodies_hold_nobody_up(serve_here: Serve, token: str) -> None:
    service = serve_here(WEB_THREADS=str(THREADS), BEHIND_ROUTER="1")
    client = Client(service.port, token)
    assert client.get("/api/orders?limit=1").status == 200
    before = service.megabytes()
    connections = sending(service, patience.CONNECTIONS_MOST + 50)
    try:
        for each in connections:
            with contextlib.suppress(OSError):
                each.sendall(b'{"username": "' + b"x" * 400_000)
        for path in ("/healthz", "/api/orders?limit=1"):
            assert max(latencies(client, path)) < AT_ONCE
        grown = service.megabytes() - before
        print(f"beside {len(connections)} slow bodies: {grown:.0f} MB more")
        assert grown < 120
    finally:
        for each in connections:
            each.close()


@full
def test_a_request_that_does_not_end_is_ended(serve_here: Serve) -> None:
    service = serve_here(WEB_THREADS=str(THREADS))
    halves = [
        b"GET /healthz HTTP/1.1\r\nHost: loc",
        b"POST /api/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{",
    ]
    for half in halves:
        with socket.create_connection(("127.0.0.1", service.port), timeout=60) as connection:
            connection.sendall(half)
            began, received = time.monotonic(), b""
            while part := connection.recv(65536):
                received += part
            assert patience.RECEIVE_SECONDS - 1 < time.monotonic() - began < patience.RECEIVE_SECONDS + 5
        assert received.startswith(b"HTTP/1.1 408 ") or received.startswith(b"HTTP/1.0 408 ")
        assert b"application/problem+json" in received
