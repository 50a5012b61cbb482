"""Memory stays within a small dyno. `python -m bench.memory` measures the same on 200,000 orders and at full length."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from django.db import connection

from tests import factories
from tests.faults import memory
from tests.faults.conftest import Serve
from tests.sample import full
from tests.service import Client, Service

if TYPE_CHECKING:
    from businesses.models import Office, User

ORDERS = 10_000
LINES = """INSERT INTO orders_orderline (order_id, position, sku, name, quantity, unit_price, total)
           SELECT o.id, p, 'SKU-' || p, 'Thing ' || p, 2, 2.50, 5 FROM orders_order o, generate_series(1, 4) p"""


@pytest.fixture
def service(serve_here: Serve, owner: User, office: Office) -> Service:
    factories.copies(factories.order(office, owner, lines=0), ORDERS - 1)
    with connection.cursor() as cursor:
        cursor.execute(LINES)
        cursor.execute("ANALYZE")
    return serve_here(**memory.ENVIRONMENT)


def test_heavy_lists_an_export_and_many_requests(service: Service, token: str) -> None:
    client = Client(service.port, token)
    memory.ask(client, ["/api/me"], memory.CLIENTS)
    orders, added = memory.added_by_export(service, client)
    assert orders == ORDERS
    peak = memory.peak_of_lists(service, client, 3 * memory.CLIENTS)
    grown = memory.growth(service, client, 20 * memory.CLIENTS)
    print(f"an export adds {added:.0f} MB; peak of heavy lists {peak:.0f} MB; growth {grown:.1%}")
    assert added < 20
    assert peak < 130
    assert grown < 0.1


@full
@pytest.mark.parametrize(("ids", "number"), [(0, 1500), (20, 1500), (900, 600)])
def test_what_one_client_asks_in_ever_new_ways_is_not_remembered_for_ever(
    serve_here: Serve, owner: User, office: Office, token: str, ids: int, number: int
) -> None:
    for _ in range(3):
        factories.order(office, owner)
    service = serve_here(**memory.ENVIRONMENT)
    client = Client(service.port, token)
    queries = list(memory.distinct(number, ids))
    memory.ask(client, queries[:64], 2 * memory.CLIENTS)
    before, used = service.megabytes(), service.cpu_seconds()
    with ThreadPoolExecutor(memory.THREADS) as pool:
        answers = list(pool.map(client.get, queries))
    grown, each = service.megabytes() - before, 1000 * (service.cpu_seconds() - used) / number
    print(f"{number} queries of {len(queries[0])} characters: {grown:.0f} MB more, {each:.0f} ms each")
    assert {answer.status for answer in answers} == {200}
    assert grown < 40
