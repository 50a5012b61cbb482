"""Lists, exports and summaries may come from a replica, and never from one that has not caught up."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.faults.conftest import Serve
from tests.faults.engines import Postgres, Replica
from tests.service import Client, Service
from tests.waiting import eventually

READS = ["/api/orders?limit=2", "/api/orders/summary?group_by=status", "/api/orders/export"]
AFRESH = {"Cache-Control": "no-cache"}


@pytest.fixture(scope="module")
def _replica(_postgres: Postgres) -> Iterator[Replica]:
    engine = Replica(_postgres)
    yield engine
    engine.kill()
    shutil.rmtree(engine.folder)


@pytest.fixture
def replica(postgres: Postgres, _replica: Replica) -> Iterator[Replica]:
    yield _replica
    _replica.back()
    _replica.execute("SELECT pg_wal_replay_resume()")
    assert eventually(lambda: behind(_replica, postgres) == 0)


def behind(replica: Replica, primary: Postgres) -> int:
    """Bytes of the log that the replica has yet to replay."""
    ((written,),) = primary.execute("SELECT pg_current_wal_lsn()")
    ((bytes_behind,),) = replica.execute(f"SELECT '{written}'::pg_lsn - pg_last_wal_replay_lsn()")
    return max(0, int(str(bytes_behind)))


@pytest.fixture
def service(serve: Serve, postgres: Postgres, replica: Replica) -> Service:
    return serve(DATABASE_URL=postgres.url, DATABASE_REPLICA_URL=replica.url, REDIS_URL="", WEB_THREADS="2")


@pytest.fixture
def client(service: Service, demo_token: str) -> Client:
    return Client(service.port, demo_token)


def read(replica: Replica) -> int:
    return replica.reads_of("orders_order")


def place(client: Client) -> str:
    office = client.get("/api/offices?limit=1").json()["results"][0]["id"]
    sku = client.get("/api/products?limit=1").json()["results"][0]["sku"]
    placed = client.post("/api/orders", {"office": office, "lines": [{"sku": sku, "quantity": 1}]})
    assert placed.status == 201
    return str(placed.json()["number"])


def newest(client: Client) -> str:
    return str(client.get("/api/orders?limit=1", **AFRESH).json()["results"][0]["number"])


@pytest.mark.parametrize("url", READS)
def test_a_replica_that_has_caught_up_is_read(client: Client, replica: Replica, url: str) -> None:
    before = read(replica)
    assert client.get(url).status == 200
    assert eventually(lambda: read(replica) > before)


def test_it_says_what_the_primary_says(client: Client, serve: Serve, postgres: Postgres, demo_token: str) -> None:
    alone = Client(serve(DATABASE_URL=postgres.url, REDIS_URL="").port, demo_token)
    for url in READS:
        assert (
            client.get(url, **AFRESH).body.replace(b":%d/" % client.port, b":%d/" % alone.port) == alone.get(url).body
        )


def test_one_that_lags_is_not_read_until_it_has_caught_up(client: Client, replica: Replica) -> None:
    replica.execute("SELECT pg_wal_replay_pause()")
    number = place(client)
    before = read(replica)
    assert newest(client) == number
    assert read(replica) == before
    replica.execute("SELECT pg_wal_replay_resume()")
    assert eventually(lambda: newest(client) == number and read(replica) > before)


def test_every_write_is_read_at_once(client: Client) -> None:
    for _ in range(20):
        assert place(client) == newest(client)


def test_one_that_is_away_is_left_alone_and_found_again(client: Client, replica: Replica, service: Service) -> None:
    client.get(READS[0])
    replica.kill()
    for url in READS * 2:
        assert client.get(url, **AFRESH).status == 200
    assert len([line for line in service.log if "replica is left alone" in line]) == 1
    replica.start()
    before = read(replica)
    assert eventually(lambda: client.get(READS[0], **AFRESH).status == 200 and read(replica) > before)


def test_one_that_is_frozen_costs_one_wait(client: Client, replica: Replica, service: Service) -> None:
    client.get(READS[0])
    replica.freeze()
    for url in READS * 2:
        assert client.get(url, **AFRESH).status == 200
    assert len([line for line in service.log if "replica is left alone" in line]) == 1
