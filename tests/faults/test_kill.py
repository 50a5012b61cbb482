"""The server dies without a word while orders are placed; clients try again until they have an answer."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from http.client import HTTPException
from typing import TYPE_CHECKING

from django.db.models import Count, F, Sum

from tests import factories, outages
from tests.faults.conftest import Serve
from tests.service import Client
from tests.waiting import eventually

if TYPE_CHECKING:
    from businesses.models import Office

ORDERS = 200
KILLS = 3


def test_every_order_is_placed_exactly_once(serve_here: Serve, token: str, office: Office) -> None:
    from orders.models import Order, OrderEvent, OrderLine

    product = factories.product(unit_price=Decimal("2.50"))
    port = outages.closed_port()
    answers: dict[str, int] = {}
    failures = 0
    lock = threading.Lock()

    def place(number: int) -> None:
        nonlocal failures
        key = f"order-{number}"
        lines = [{"sku": product.sku, "quantity": quantity} for quantity in (1 + number, 1)]
        body = {"office": office.pk, "lines": lines}
        while True:
            try:
                answer = Client(port, token).post("/api/orders", body, **{"Idempotency-Key": key})
            except (OSError, HTTPException):
                with lock:
                    failures += 1
                time.sleep(0.1)
                continue
            assert answer.status == 201, answer
            with lock:
                answers[key] = answer.json()["id"]
            return

    service = serve_here(PORT=str(port), WEB_THREADS="4")
    with ThreadPoolExecutor(ORDERS) as pool:
        tasks = [pool.submit(place, number) for number in range(ORDERS)]
        for kill in range(1, KILLS + 1):
            enough = kill * ORDERS // (KILLS + 2)
            assert eventually(lambda: len(answers) >= enough)  # noqa: B023 asked here and now
            service.kill()
            service = serve_here(PORT=str(port), WEB_THREADS="4")
        for task in tasks:
            task.result()

    print(f"{ORDERS} orders, {KILLS} kills, {failures} requests without an answer, {Order.objects.count()} orders")
    assert failures >= KILLS
    assert dict(Order.objects.values_list("idempotency_key", "pk")) == answers
    assert len(answers) == ORDERS
    assert OrderLine.objects.count() == 2 * ORDERS
    assert OrderEvent.objects.values("order").annotate(n=Count("pk")).filter(n=1, kind="placed").count() == ORDERS
    assert not Order.objects.annotate(sum=Sum("lines__total")).exclude(sum=F("total"))
    assert Order.objects.values("revision").distinct().count() == ORDERS
    office.company.refresh_from_db()
    assert office.company.revision == max(Order.objects.values_list("revision", flat=True))
