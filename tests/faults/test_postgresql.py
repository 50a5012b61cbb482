"""PostgreSQL away: a clear 503 in bounded time, nothing half written, and back by itself when it is."""

from __future__ import annotations

import contextlib
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import psycopg2
import pytest

from config.lanes import streams_of
from tests.faults.conftest import Serve
from tests.faults.engines import Postgres
from tests.service import Answer, Client, Service
from tests.waiting import eventually

LIST = "/api/orders?limit=1"
ORDER = {"office": 1, "lines": [{"sku": "SKU-0001", "quantity": 2}]}
THREADS = 2
COUNTS = "SELECT (SELECT count(*) FROM orders_order), (SELECT count(*) FROM orders_orderline), (SELECT count(*) FROM orders_orderevent)"  # noqa: E501


@pytest.fixture
def service(postgres: Postgres, serve: Serve) -> Service:
    return serve(DATABASE_URL=postgres.url, REDIS_URL="", WEB_THREADS=str(THREADS), REQUEST_DEADLINE="2")


@pytest.fixture
def client(service: Service, demo_token: str) -> Client:
    return Client(service.port, demo_token)


def is_outage(answer: Answer, code: str = "database_unavailable") -> bool:
    """A 503 problem document that says when to come back."""
    assert answer.status == 503, answer
    assert answer.headers["content-type"] == "application/problem+json"
    assert int(answer.headers["retry-after"]) > 0
    return bool(answer.json()["code"] == code)


def recovers(client: Client) -> bool:
    """Every thread answers again, so that none is lost and no dead connection is left."""
    with ThreadPoolExecutor(THREADS) as pool:
        return eventually(lambda: {a.status for a in pool.map(client.get, [LIST] * 4 * THREADS)} == {200})


@contextlib.contextmanager
def company_locked(postgres: Postgres) -> Any:
    """Whoever places an order waits in the middle of its transaction."""
    holder = psycopg2.connect(postgres.admin)
    with contextlib.closing(holder), holder.cursor() as cursor:
        cursor.execute("SELECT 1 FROM businesses_company FOR UPDATE")
        yield


def waiting(postgres: Postgres) -> int:
    return int(str(postgres.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")[0][0]))


def placing(pool: ThreadPoolExecutor, client: Client, key: str) -> Future[Answer]:
    return pool.submit(client.post, "/api/orders", ORDER, **{"Idempotency-Key": key})


@pytest.mark.parametrize("fault", ["kill", "stop"])
def test_killed_or_stopped_while_an_order_is_being_placed(postgres: Postgres, client: Client, fault: str) -> None:
    before = postgres.execute(COUNTS)
    with ThreadPoolExecutor(1) as pool, company_locked(postgres):
        placed = placing(pool, client, fault)
        assert eventually(lambda: waiting(postgres))
        getattr(postgres, fault)()
        assert is_outage(placed.result())
        assert is_outage(client.get(LIST))
    postgres.start()
    assert recovers(client)
    assert postgres.execute(COUNTS) == before
    answers = [client.post("/api/orders", ORDER, **{"Idempotency-Key": fault}) for _ in range(2)]
    assert [answer.status for answer in answers] == [201, 201]
    assert answers[0].json()["id"] == answers[1].json()["id"]


def test_restarted_between_two_requests(postgres: Postgres, client: Client) -> None:
    assert recovers(client)
    postgres.stop()
    postgres.start()
    assert [client.get(LIST).status for _ in range(2 * THREADS)] == [200] * 2 * THREADS


def test_frozen_while_requests_run(postgres: Postgres, client: Client) -> None:
    """A write is in its transaction when it freezes, another waits outside; both are answered, and later ones."""
    before = postgres.execute(COUNTS)
    with ThreadPoolExecutor(2 * THREADS) as pool, company_locked(postgres):
        placed = [placing(pool, client, f"frozen-{number}") for number in range(THREADS)]
        assert eventually(lambda: waiting(postgres) == 1)
        postgres.freeze()
        began = time.monotonic()
        later = [pool.submit(client.get, LIST) for _ in range(THREADS)]
        assert all(is_outage(answer.result()) for answer in [*placed, *later])
        print("frozen PostgreSQL, all answered after", round(time.monotonic() - began, 1))
        assert client.get("/healthz").status == 200
        postgres.thaw()
        assert recovers(client)
    assert eventually(lambda: not waiting(postgres))
    assert postgres.execute(COUNTS) == before


def test_frozen_in_the_middle_of_streams(postgres: Postgres, client: Client) -> None:
    """A stream that has begun can't turn into a 503: it breaks off, seen as such, and its thread is free again."""
    assert recovers(client)
    streams = [client.reading("/api/orders/export") for _ in range(streams_of(THREADS))]
    received = [stream.recv(1000) for stream in streams]
    postgres.freeze()
    began = time.monotonic()
    for number, stream in enumerate(streams):
        with stream:
            while part := stream.recv(1 << 20):
                received[number] = part
    print(f"streams from a frozen PostgreSQL broke off after {time.monotonic() - began:.1f} s")
    assert not any(last.endswith(b"0\r\n\r\n") for last in received)
    assert client.get("/healthz").status == 200
    postgres.thaw()
    assert recovers(client)


def test_down_at_boot(postgres: Postgres, serve: Serve, demo_token: str) -> None:
    postgres.stop()
    service = serve(DATABASE_URL=postgres.url, REDIS_URL="", WEB_THREADS=str(THREADS))
    client = Client(service.port, demo_token)
    assert client.get("/healthz").status == 200
    assert client.get("/readyz").status == 503
    assert is_outage(client.get(LIST))
    postgres.start()
    assert recovers(client)


def test_out_of_connections(postgres: Postgres, client: Client) -> None:
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(psycopg2.OperationalError):
            while True:
                stack.enter_context(contextlib.closing(psycopg2.connect(postgres.url)))
        assert is_outage(client.get(LIST))
        assert is_outage(client.post("/api/orders", ORDER))
    assert recovers(client)


def test_a_statement_that_takes_too_long(postgres: Postgres, client: Client) -> None:
    """PostgreSQL itself gives it up, by a setting of the role that the release phase wrote down."""
    postgres.manage("limit_statements", "--seconds=1")
    try:
        with company_locked(postgres):
            assert is_outage(client.post("/api/orders", ORDER), "deadline_exceeded")
            assert not waiting(postgres)
    finally:
        postgres.manage("limit_statements", "--seconds=0", "--lock-seconds=0")
    assert recovers(client)


def test_what_a_freed_thread_left_behind_is_not_run(postgres: Postgres, client: Client) -> None:
    """The watchdog's end of a connection reaches the statement that still waits on the other side."""
    postgres.manage("limit_statements", "--seconds=60")
    try:
        with company_locked(postgres):
            assert is_outage(client.post("/api/orders", ORDER))
            assert eventually(lambda: not waiting(postgres), seconds=10)
    finally:
        postgres.manage("limit_statements", "--seconds=0", "--lock-seconds=0")


def test_a_lock_that_takes_too_long(postgres: Postgres, client: Client) -> None:
    """Whoever waits for somebody else's lock is told so long before the deadline, by a setting of the role too."""
    postgres.manage("limit_statements", "--lock-seconds=1")
    try:
        with company_locked(postgres):
            began = time.monotonic()
            assert is_outage(client.post("/api/orders", ORDER), "busy")
            assert time.monotonic() - began < 2  # the deadline
            assert client.get(LIST).status == 200
    finally:
        postgres.manage("limit_statements", "--seconds=0", "--lock-seconds=0")
    assert recovers(client)
