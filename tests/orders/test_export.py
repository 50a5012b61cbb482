"""GET /api/orders/export: every matching order as a stream."""

from __future__ import annotations

import csv
import gc
import io
import json
from collections.abc import Callable
from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from django.db import connection
from rest_framework.test import APIClient

from businesses.models import Address, Office, User
from orders.export import CHUNK, SLICE
from orders.models import Order, OrderLine
from orders.states import Status
from tests import factories
from tests.orders.expecting import problem, results

pytestmark = pytest.mark.django_db
several_chunks = pytest.mark.query_budget(5, "GET /api/orders/export", reason="lines are read once for each chunk")


def ndjson(response: Any) -> list[dict[str, Any]]:
    assert response.status_code == 200, getattr(response, "content", b"")[:500]
    return [json.loads(line) for line in b"".join(response).splitlines()]


def rows(response: Any) -> list[dict[str, str]]:
    assert response.status_code == 200, getattr(response, "content", b"")[:500]
    return list(csv.DictReader(io.StringIO(b"".join(response).decode(), newline="")))


# --- NDJSON


def test_it_holds_what_the_list_holds(as_owner: APIClient, office: Office, owner: User) -> None:
    for lines in (0, 1, 3):
        factories.order(office, owner, lines=lines)
    assert ndjson(as_owner.get("/api/orders/export")) == results(as_owner.get("/api/orders"))


def test_it_has_no_pages(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner), 2 * CHUNK + 1)
    exported = [row["id"] for row in ndjson(as_owner.get("/api/orders/export?fields=id"))]
    assert exported == list(Order.objects.order_by("-placed_at", "-id").values_list("pk", flat=True))


@several_chunks
def test_lines_beyond_the_first_chunk_come_along(
    as_owner: APIClient, office: Office, owner: User, by_serializers: None
) -> None:
    oldest = factories.order(office, owner, lines=3)
    factories.copies(oldest, CHUNK, placed_at=oldest.placed_at + timedelta(days=1))
    last = ndjson(as_owner.get("/api/orders/export?fields=id,lines.position"))[-1]
    assert last == {"id": oldest.pk, "lines": [{"position": 1}, {"position": 2}, {"position": 3}]}


@pytest.mark.parametrize("query", ["format=ndjson", ""])
def test_ndjson_is_the_default(as_owner: APIClient, owner: User, query: str) -> None:
    response = as_owner.get(f"/api/orders/export?{query}")
    assert response.headers["Content-Type"] == "application/x-ndjson; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="orders.ndjson"'


def test_the_accept_header_chooses_too(as_owner: APIClient) -> None:
    response = as_owner.get("/api/orders/export", headers={"Accept": "text/csv"})
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"


def test_nothing_matches(as_owner: APIClient) -> None:
    assert b"".join(as_owner.get("/api/orders/export")) == b""
    assert b"".join(as_owner.get("/api/orders/export?format=csv&fields=id,number")) == b"id,number\r\n"


def test_fields_and_expand(as_owner: APIClient, office: Office, owner: User) -> None:
    order = factories.order(office, owner)
    exported = ndjson(as_owner.get("/api/orders/export?fields=id,events.kind&expand=events"))
    assert exported == [{"id": order.pk, "events": [{"kind": "placed"}]}]


def test_ordering(as_owner: APIClient, office: Office, owner: User) -> None:
    orders = [factories.order(office, owner, placed_at=factories.START + timedelta(days=day)).pk for day in range(3)]
    exported = [row["id"] for row in ndjson(as_owner.get("/api/orders/export?fields=id&ordering=placed_at"))]
    assert exported == orders


@pytest.mark.parametrize(
    "query",
    [
        lambda order: "status=approved&status=fulfilled",
        lambda order: f"office={order.office_id}",
        lambda order: f"company={order.company_id}&placed_by={order.placed_by_id}",
        lambda order: f"date_after={order.date}&date_before={order.date}",
        lambda order: "placed_after=2026-01-03T00:00:00Z&placed_before=2026-01-04T12:00:00Z",
        lambda order: f"since_version={order.revision}",
        lambda order: f"search={order.number}",
    ],
)
def test_it_takes_the_filters_of_the_list(
    as_owner: APIClient, office: Office, owner: User, query: Callable[[Order], str]
) -> None:
    for day, status in enumerate(Status):
        at = office if day % 2 else factories.office(office.company)
        moment = factories.START + timedelta(days=day)
        order = factories.order(at, factories.member(at), status=status, placed_at=moment)
        if day == 1:
            text = query(Order.objects.get(pk=order.pk))
    listed = results(as_owner.get(f"/api/orders?{text}"))
    assert ndjson(as_owner.get(f"/api/orders/export?{text}")) == listed
    assert len(listed) < len(Status)


# --- CSV


def test_csv_has_a_row_for_each_line(as_owner: APIClient, office: Office, owner: User) -> None:
    order = factories.order(office, owner, lines=2)
    exported = rows(as_owner.get("/api/orders/export?format=csv&fields=id,office.name,lines.sku,total"))
    own = {"id": str(order.pk), "total": "10.00", "office.name": office.name}
    assert exported == [{**own, "lines.sku": "SKU-1"}, {**own, "lines.sku": "SKU-2"}]


def test_an_order_without_lines_keeps_its_row(as_owner: APIClient, office: Office, owner: User) -> None:
    order = factories.order(office, owner, lines=0)
    exported = rows(as_owner.get("/api/orders/export?format=csv&fields=id,lines.sku"))
    assert exported == [{"id": str(order.pk), "lines.sku": ""}]


def test_without_lines_an_order_is_a_row(as_owner: APIClient, office: Office, owner: User) -> None:
    order = factories.order(office, owner, lines=3)
    assert rows(as_owner.get("/api/orders/export?format=csv&fields=id")) == [{"id": str(order.pk)}]


def test_all_columns_are_there(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.order(office, owner, lines=1)
    row = rows(as_owner.get("/api/orders/export?format=csv"))[0]
    assert row["allowed_transitions"] == "approved cancelled"
    assert row["placed_at"].endswith("Z")
    expected = {"id", "placed_by.name", "address.street", "ship_to.city", "lines.quantity", "lines.unit_price"}
    assert expected <= row.keys()
    assert all(row.values())


def test_no_active_address_leaves_its_columns_empty(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.order(office, owner)
    Address.objects.update(active=False)
    row = rows(as_owner.get("/api/orders/export?format=csv&fields=address"))[0]
    assert row.keys() == {"address.id", "address.street", "address.city", "address.postcode", "address.country",
                          "address.active"}  # fmt: skip
    assert set(row.values()) == {""}


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
@pytest.mark.parametrize("where", ["office.name", "lines.name"])
def test_a_spreadsheet_sees_no_formula(
    as_owner: APIClient, office: Office, owner: User, start: str, where: str
) -> None:
    text = f"{start}HYPERLINK(1)"
    factories.order(office, owner, lines=1)
    Office.objects.update(name=text)
    OrderLine.objects.update(name=text)
    assert rows(as_owner.get(f"/api/orders/export?format=csv&fields={where}")) == [{where: f"'{text}"}]


def test_text_is_quoted(as_owner: APIClient, office: Office, owner: User) -> None:
    name = 'Køge, "the\nharbour"; 5€'
    factories.order(office, owner)
    Office.objects.update(name=name)
    assert rows(as_owner.get("/api/orders/export?format=csv&fields=office.name")) == [{"office.name": name}]


def test_csv_has_room_for_one_collection(as_owner: APIClient, office: Office, owner: User) -> None:
    problem(as_owner.get("/api/orders/export?format=csv&expand=events"), 400, "expand")
    factories.order(office, owner)
    exported = rows(as_owner.get("/api/orders/export?format=csv&expand=events&fields=events.kind"))
    assert exported == [{"events.kind": "placed"}]


# --- A stream


def test_it_comes_in_slices(as_owner: APIClient, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner), 2 * SLICE + 49)
    sizes = [len(part.splitlines()) for part in as_owner.get("/api/orders/export?fields=id")]
    assert sizes == [SLICE, SLICE, 50]


@several_chunks
def test_at_most_a_chunk_of_orders_is_held(
    as_owner: APIClient, office: Office, owner: User, by_serializers: None
) -> None:
    factories.copies(factories.order(office, owner), 2 * CHUNK)
    held = [orders_in_memory() for _ in as_owner.get("/api/orders/export?fields=id,lines")]
    assert len(held) > 2 * CHUNK // SLICE
    assert SLICE <= max(held) <= CHUNK + SLICE


def orders_in_memory() -> int:
    """Orders that something still refers to; with their prefetched lines they are cycles, so collect those first."""
    gc.collect()
    return sum(type(each) is Order for each in gc.get_objects())


def test_the_database_hands_rows_over_through_a_cursor(as_owner: Any, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner), 2 * CHUNK)
    stream = iter(as_owner.get("/api/orders/export?fields=id").streaming_content)
    assert cursors() == 1  # the first slice is made before the answer begins
    next(stream)
    assert cursors() == 1
    assert sum(1 for _ in stream) > 1
    assert cursors() == 0


def cursors() -> int:
    """Open server-side cursors on this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_cursors WHERE statement LIKE '%orders_order%'")
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_a_client_that_leaves_closes_the_transaction(as_owner: Any, office: Office, owner: User) -> None:
    factories.copies(factories.order(office, owner), CHUNK)
    response = as_owner.get("/api/orders/export?fields=id")
    next(iter(response.streaming_content))
    assert connection.in_atomic_block
    response.close()
    assert not connection.in_atomic_block
    assert cursors() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_a_client_that_leaves_before_reading_closes_it_too(
    as_owner: Any, office: Office, owner: User, form: str
) -> None:
    factories.copies(factories.order(office, owner), CHUNK)
    response = as_owner.get(f"/api/orders/export?format={form}")
    assert connection.in_atomic_block
    response.close()
    assert not connection.in_atomic_block
    assert cursors() == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("method", "headers", "status"), [("get", {"if-none-match": "*"}, 304), ("head", {}, 200)])
def test_nothing_stays_open_of_an_answer_without_a_body(
    as_owner: Any, office: Office, owner: User, method: str, headers: dict[str, str], status: int
) -> None:
    factories.copies(factories.order(office, owner), CHUNK)
    response = getattr(as_owner, method)("/api/orders/export?fields=id", headers=headers)
    response.close()
    assert response.status_code == status
    assert not connection.in_atomic_block
    assert cursors() == 0


@several_chunks
@pytest.mark.django_db(transaction=True)
def test_the_file_shows_one_moment(as_owner: Any, office: Office, owner: User) -> None:
    oldest = factories.order(office, owner, lines=1)
    factories.copies(oldest, CHUNK, placed_at=oldest.placed_at + timedelta(days=1))
    parts = iter(as_owner.get("/api/orders/export?fields=id,status,lines.sku").streaming_content)
    first = next(parts)

    def change() -> None:
        Order.objects.update(status=Status.CANCELLED)
        OrderLine.objects.update(sku="changed")
        factories.copies(oldest, 5, placed_at=oldest.placed_at - timedelta(days=1))
        connection.close()

    other = Thread(target=change)
    other.start()
    other.join()
    exported = [json.loads(line) for line in (first + b"".join(parts)).splitlines()]
    assert len(exported) == CHUNK + 1
    assert exported[-1] == {"id": oldest.pk, "status": "placed", "lines": [{"sku": "SKU-1"}]}
