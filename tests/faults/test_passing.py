"""What the database refuses and may not refuse the next time: a 503 that says when to come back, or another attempt."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg2
import pytest
from django.db import connection

from tests import factories
from tests.faults.activity import working
from tests.faults.conftest import Serve
from tests.service import Answer, Client, Service
from tests.waiting import eventually

if TYPE_CHECKING:
    from businesses.models import Office, User

PASSING = {
    "08006": "database_unavailable",  # connection_failure
    "25006": "read_only",
    "25P02": "database_unavailable",  # in_failed_sql_transaction
    "25P03": "database_unavailable",  # idle_in_transaction_session_timeout
    "25P04": "deadline_exceeded",  # transaction_timeout
    "40000": "busy",
    "40001": "busy",  # serialization_failure
    "40003": "database_unavailable",  # statement_completion_unknown
    "40P01": "busy",  # deadlock_detected
    "53100": "database_unavailable",  # disk_full
    "53200": "database_unavailable",  # out_of_memory
    "53400": "database_unavailable",  # configuration_limit_exceeded
    "55P03": "busy",  # lock_not_available
    "57014": "deadline_exceeded",  # query_canceled
    "57P01": "database_unavailable",  # admin_shutdown
    "58000": "database_unavailable",  # system_error
    "58030": "database_unavailable",  # io_error
    "72000": "busy",  # snapshot_too_old
}
LASTING = ("0A000", "22012", "23514", "25001", "42P01", "54000", "55000", "P0001", "XX000", "XX001")
COUNTS = "SELECT (SELECT count(*) FROM orders_order), (SELECT count(*) FROM orders_orderevent), (SELECT sum(revision) FROM businesses_company)"  # noqa: E501


def run(sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchone() if cursor.description else None


@contextmanager
def failing_writes(table: str, state: str, *, times: int = 1_000_000, deferred: bool = False) -> Iterator[None]:
    """The first inserts or updates in `table` fail with this SQLSTATE; `deferred`: when they are committed."""
    kind = "CONSTRAINT TRIGGER fails AFTER" if deferred else "TRIGGER fails BEFORE"
    when = "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW" if deferred else "FOR EACH STATEMENT"
    run(
        f"CREATE SEQUENCE attempts; CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF nextval('attempts') <= {times} THEN RAISE 'a secret' USING ERRCODE = '{state}'; END IF; RETURN NULL; END $$;"  # noqa: E501
        f"CREATE {kind} INSERT OR UPDATE ON {table} {when} EXECUTE FUNCTION fails()"
    )
    try:
        yield
    finally:
        run(f"DROP TRIGGER fails ON {table}; DROP FUNCTION fails; DROP SEQUENCE attempts")


def attempts() -> int:
    return int(run("SELECT last_value FROM attempts")[0])


@contextmanager
def failing_reads(table: str, state: str, at: str = "true") -> Iterator[None]:
    """Whoever reads a row of `table` that `at` holds for fails with this SQLSTATE."""
    run(
        "CREATE FUNCTION fails() RETURNS boolean LANGUAGE plpgsql VOLATILE AS "
        f"$$ BEGIN RAISE 'a secret' USING ERRCODE = '{state}'; END $$; ALTER TABLE {table} RENAME TO {table}_sound"
    )
    run(f"CREATE VIEW {table} AS SELECT * FROM {table}_sound WHERE CASE WHEN {at} THEN fails() ELSE true END")  # noqa: S608 tests' own words
    try:
        yield
    finally:
        run(f"DROP VIEW {table}; ALTER TABLE {table}_sound RENAME TO {table}; DROP FUNCTION fails")


def problem(answer: Answer, status: int, code: str) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert (answer.status, document["status"], document["code"]) == (status, status, code), document
    assert ("retry-after" in answer.headers) == (status == 503)
    assert b"secret" not in answer.body
    return document


@pytest.fixture
def service(serve_here: Serve) -> Service:
    return serve_here(WEB_THREADS="2")


@pytest.fixture
def client(service: Service, token: str) -> Client:
    return Client(service.port, token)


@pytest.fixture
def order_of(office: Office) -> dict[str, Any]:
    return {"office": office.pk, "lines": [{"sku": factories.product().sku, "quantity": 1}]}


# --- Each SQLSTATE


def test_a_write_that_may_pass_is_a_503(client: Client, order_of: dict[str, Any]) -> None:
    before = run(COUNTS)
    for state, code in PASSING.items():
        with failing_writes("orders_orderevent", state):
            problem(client.post("/api/orders", order_of), 503, code)
    for state in LASTING:
        with failing_writes("orders_orderevent", state):
            problem(client.post("/api/orders", order_of), 500, "error")
    assert run(COUNTS) == before
    assert client.post("/api/orders", order_of).status == 201


@pytest.mark.parametrize(
    "path", ["/api/orders", "/api/orders/export?format=ndjson", "/api/orders/export?format=csv", "/api/orders/{order}"]
)
def test_a_read_that_may_pass_is_a_503(client: Client, owner: User, office: Office, path: str) -> None:
    """An export too, which has not begun: its first part is made before its headers leave."""
    url = path.format(order=factories.order(office, owner).pk)
    for state, code in PASSING.items():
        with failing_reads("orders_orderline", state):
            problem(client.get(url), 503, code)
    for state in ("42P01", "XX000"):
        with failing_reads("orders_orderline", state):
            problem(client.get(url), 500, "error")
    assert working() == 0
    assert client.get(url).status == 200


def test_an_export_that_fails_later_breaks_off(client: Client, owner: User, office: Office) -> None:
    oldest = factories.order(office, owner)
    factories.copies(oldest, 2000, placed_at=oldest.placed_at.replace(year=oldest.placed_at.year + 1))
    with (
        failing_reads("orders_orderline", "58030", at=f"order_id = {oldest.pk}"),
        client.reading("/api/orders/export") as stream,
    ):
        received = b""
        while part := stream.recv(1 << 20):
            received += part
    assert received.startswith(b"HTTP/1.1 200")
    assert not received.endswith(b"0\r\n\r\n")
    assert eventually(lambda: working() == 0)
    assert client.get("/api/orders/export").status == 200


def test_the_admin_is_a_503_too(client: Client) -> None:
    cookie = {"Cookie": "sessionid=0123456789abcdefghijklmnopqrstuv"}
    answer = client.get("/admin/", **cookie)
    assert answer.status == 302
    with failing_reads("django_session", "53200", at="true"):
        run("INSERT INTO django_session_sound VALUES ('0123456789abcdefghijklmnopqrstuv', '', now() + '1 day')")
        answer = client.get("/admin/", **cookie)
    assert (answer.status, "retry-after" in answer.headers) == (503, True)
    assert b"secret" not in answer.body


# --- What is tried once more


@pytest.mark.parametrize(("state", "tried"), [("40001", 2), ("40P01", 2), ("40000", 1), ("55P03", 1), ("58030", 1)])
def test_only_what_was_in_the_way_is_tried_once_more(
    client: Client, order_of: dict[str, Any], state: str, tried: int
) -> None:
    with failing_writes("orders_orderevent", state, times=1):
        answer = client.post("/api/orders", order_of)
        assert (answer.status, attempts()) == (201 if tried == 2 else 503, tried)
    assert run("SELECT count(*) FROM orders_order")[0] == tried - 1


def test_it_is_not_tried_a_third_time(client: Client, order_of: dict[str, Any]) -> None:
    with failing_writes("orders_orderevent", "40001", times=2):
        problem(client.post("/api/orders", order_of), 503, "busy")
        assert attempts() == 2


@pytest.mark.parametrize("deferred", [False, True])
def test_every_write_of_a_service_is_tried_once_more(
    client: Client, owner: User, office: Office, order_of: dict[str, Any], deferred: bool
) -> None:
    order, address = factories.order(office, owner), owner.addresses.get()
    place = {"street": "Kaj 1", "city": "Aarhus", "postcode": "8000", "country": "DK", "active": True}
    headers = {"Content-Type": "application/json"}
    writes: list[tuple[str, str, str, dict[str, Any]]] = [
        ("orders_orderevent", "POST", "/api/orders", order_of),
        ("orders_orderevent", "PATCH", f"/api/orders/{order.pk}", {"version": None, "lines": order_of["lines"]}),
        ("orders_orderevent", "POST", f"/api/orders/{order.pk}/transitions", {"version": None, "to": "approved"}),
        ("businesses_address", "POST", "/api/addresses", place),
        ("businesses_address", "PATCH", f"/api/addresses/{address.pk}", {"city": "Odense"}),
    ]
    for table, method, path, content in writes:
        if "version" in content:
            content["version"] = client.get(f"/api/orders/{order.pk}").json()["version"]
        with failing_writes(table, "40001", times=1, deferred=deferred):
            answer = client.ask(method, path, json.dumps(content), headers)
            assert answer.status in (200, 201), answer
            assert attempts() >= 2
    assert [event.kind for event in order.events.order_by("pk")] == ["placed", "edited", "approved"]
    assert list(owner.addresses.order_by("pk").values_list("city", "active")) == [("Odense", False), ("Aarhus", True)]


def test_a_real_deadlock(client: Client, database_url: str, order_of: dict[str, Any]) -> None:
    """The service has the company and waits for the events, somebody else the other way round."""
    with (
        contextlib.closing(psycopg2.connect(database_url)) as other,
        other.cursor() as cursor,
        ThreadPoolExecutor(1) as pool,
    ):
        cursor.execute("SET deadlock_timeout = '60s'; LOCK TABLE orders_orderevent IN SHARE MODE")
        placing = pool.submit(client.post, "/api/orders", order_of)
        assert eventually(lambda: run("SELECT count(*) FROM pg_locks WHERE NOT granted")[0])
        cursor.execute("SELECT 1 FROM businesses_company FOR UPDATE")  # which it gets once the service is the victim
        other.rollback()
        assert placing.result().status == 201
    assert run("SELECT count(*) FROM orders_order")[0] == 1


# --- A primary that takes no writes any more


def test_a_read_only_database_is_read_and_is_written_again_once_it_can_be(
    client: Client, order_of: dict[str, Any]
) -> None:
    name = connection.settings_dict["NAME"]
    assert client.get("/api/orders").status == 200
    run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    try:
        served = "application_name = 'served' AND datname = current_database()"
        run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {served}")  # noqa: S608 tests' own words
        for _ in range(3):
            problem(client.post("/api/orders", order_of), 503, "read_only")
            assert client.get("/api/orders").status == 200
    finally:
        run(f"SET default_transaction_read_only = off; ALTER DATABASE {name} RESET default_transaction_read_only")
    answers = [client.post("/api/orders", order_of).status for _ in range(5)]
    assert sorted(answers)[:3] == [201] * 3  # each of two threads may have a connection of the time before


# --- A session that PostgreSQL ends inside a transaction


def test_a_transaction_that_idles_too_long_is_a_503(
    client_of: Any, owner: User, office: Office, order_of: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from orders import services

    priced = services.priced

    def pausing(lines: Any) -> Any:
        time.sleep(0.5)
        return priced(lines)

    as_owner = client_of(owner)
    run("SET idle_in_transaction_session_timeout = '100ms'")
    with monkeypatch.context() as patching:
        patching.setattr(services, "priced", pausing)
        answer = as_owner.post("/api/orders", order_of)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    connection.close()
    assert as_owner.post("/api/orders", order_of).status_code == 201
