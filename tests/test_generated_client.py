"""A client that is generated from the OpenAPI document works with the server as deployed."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import pytest

from businesses.models import Office, User
from tests import factories
from tests.service import Service

DOCUMENT = Path(__file__).resolve().parent.parent / "docs/openapi.yaml"
ORDERS = 7


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """`generated("api.orders.orders_list")`: a module of the client."""
    folder = tmp_path_factory.mktemp("generated")
    config = folder / "config.yaml"
    config.write_text("post_hooks: []\n")  # nobody reads it, so nothing needs to be formatted
    command = [sys.executable, "-m", "openapi_python_client", "generate", "--path", str(DOCUMENT), "--meta", "none"]
    command += ["--config", str(config), "--output-path", str(folder / "orders_client"), "--fail-on-warning"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))
    yield lambda name: importlib.import_module(f"orders_client.{name}")
    sys.path.remove(str(folder))


@pytest.fixture
def client(generated: Any, database_url: str, office: Office, owner: User, token: str) -> Iterator[Any]:
    """Somebody who owns the office's company, at a running server."""
    first = factories.order(office, owner)
    for number in range(1, ORDERS):
        factories.order(office, owner, placed_at=first.placed_at - timedelta(hours=number))
    with Service.start(DATABASE_URL=database_url) as service:
        yield generated("client").AuthenticatedClient(
            base_url=f"http://localhost:{service.port}", token=token, prefix="Token"
        )


def test_it_places_pages_edits_and_streams_orders(generated: Any, client: Any, office: Office) -> None:
    models, orders = generated("models"), "api.orders."

    product = factories.product()
    lines = [models.LineInputRequest(sku=product.sku, quantity=3)]
    placed = generated(orders + "orders_create").sync(
        client=client, body=models.OrderCreateRequest(office=office.pk, lines=lines), idempotency_key="generated-1"
    )
    assert isinstance(placed, models.Order)
    assert Decimal(placed.total) == 3 * product.unit_price
    assert placed.office.id == office.pk

    found, cursor = [], generated("types").UNSET
    while cursor is not None:
        page = generated(orders + "orders_list").sync(client=client, limit=3, cursor=cursor)
        found += page.results
        cursor = page.next_ and httpx.URL(page.next_).params["cursor"]
    assert len({order.id for order in found}) == len(found) == ORDERS + 1
    assert found[0].placed_at >= found[-1].placed_at

    lines = [models.LineInputRequest(sku=product.sku, quantity=5)]
    edit = models.PatchedOrderEditRequest(version=placed.version, lines=lines)
    edited = generated(orders + "orders_partial_update").sync(placed.id, client=client, body=edit)
    assert edited.lines[0].quantity == 5
    assert edited.version > placed.version
    stale = generated(orders + "orders_partial_update").sync(placed.id, client=client, body=edit)
    assert isinstance(stale, models.Problem)
    assert (stale.status, stale.code) == (409, "stale_version")

    step = models.TransitionRequest(to=models.OrderStep.APPROVED, version=edited.version)
    approved = generated(orders + "orders_transitions_create").sync(placed.id, client=client, body=step)
    assert approved.status == models.OrderStatus.APPROVED

    with client.get_httpx_client().stream("GET", "/api/orders/export", params={"format": "ndjson"}) as stream:
        streamed = [models.Order.from_dict(json.loads(line)) for line in stream.iter_lines()]
    assert {order.id for order in streamed} == {order.id for order in found}
    assert next(order for order in streamed if order.id == placed.id) == generated(orders + "orders_retrieve").sync(
        placed.id, client=client
    )
