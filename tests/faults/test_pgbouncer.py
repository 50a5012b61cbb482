"""Behind PgBouncer in transaction mode, where a connection is another client's after each transaction."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.faults.conftest import Serve
from tests.faults.engines import PgBouncer, Postgres, find_pgbouncer
from tests.service import Client

pytestmark = pytest.mark.skipif(not find_pgbouncer(), reason="pgbouncer is not installed")


@pytest.fixture
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    bouncer = PgBouncer(postgres)
    yield bouncer
    bouncer.kill()


@pytest.fixture
def clients(serve: Serve, pgbouncer: PgBouncer, demo_token: str) -> list[Client]:
    """At two servers of four threads each, on three connections to PostgreSQL."""
    return [Client(serve(DATABASE_URL=pgbouncer.url, REDIS_URL="", WEB_THREADS="4").port, demo_token) for _ in range(2)]


def test_everything_works_while_connections_are_shared(clients: list[Client], postgres: Postgres) -> None:
    office = clients[0].get("/api/offices?limit=1").json()["results"][0]["id"]
    sku = clients[0].get("/api/products?limit=1").json()["results"][0]["sku"]

    def life_of_an_order(number: int) -> str:
        client = clients[number % 2]
        body = {"office": office, "lines": [{"sku": sku, "quantity": number + 1}]}
        placed = [client.post("/api/orders", body, **{"Idempotency-Key": f"key-{number}"}) for _ in range(2)]
        assert [answer.status for answer in placed] == [201, 201]
        assert placed[0].json()["id"] == placed[1].json()["id"]
        order = placed[0].json()
        moved = client.post(f"/api/orders/{order['id']}/transitions", {"to": "approved", "version": order["version"]})
        assert moved.status == 200
        assert client.get(f"/api/orders/{order['id']}").json()["status"] == "approved"
        for url in ("/api/orders?limit=5", "/api/orders/summary?group_by=month", "/readyz"):
            assert client.get(url).status == 200
        return str(order["number"])

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(life_of_an_order, range(40)))
    exported = [json.loads(line)["number"] for line in clients[0].get("/api/orders/export").body.splitlines()]
    assert len(set(numbers)) == 40
    assert set(numbers) <= set(exported)
    assert postgres.execute("SELECT count(*) FROM pg_stat_activity WHERE usename = 'service'") <= [(3,)]


def test_a_release_works_through_it(pgbouncer: PgBouncer, postgres: Postgres) -> None:
    direct, postgres.url = postgres.url, pgbouncer.url
    try:
        postgres.manage("migrate", "-v0")
        postgres.manage("limit_statements")
    finally:
        postgres.url = direct
