"""SIGTERM as the router sees it: no request is cut off, and none is let in any more.

tests/config/test_drain.py holds the parts; here they come together.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from django.db import transaction

from tests import factories
from tests.faults.activity import waiting_for_a_lock
from tests.faults.conftest import Serve, slow
from tests.faults.router import Router
from tests.service import Client
from tests.waiting import eventually
from tests.web import refuses

if TYPE_CHECKING:
    from businesses.models import Office, User

THREADS = 3
EXPORTED = 3000  # in three parts, each of which takes a second


def test_running_queued_and_streaming_requests_complete(
    serve_here: Serve, token: str, owner: User, office: Office
) -> None:
    from businesses.models import Company
    from orders.models import Order

    factories.copies(factories.order(office, owner), EXPORTED - 1)
    body = {"office": office.pk, "lines": [{"sku": factories.product().sku, "quantity": 1}]}
    service = serve_here(WEB_THREADS=str(THREADS), BEHIND_ROUTER="1")
    slowly = slow("orders_orderline", 1)
    with slowly, Router(service.port) as router, ThreadPoolExecutor(10) as pool:
        client = Client(router.port, token)
        with transaction.atomic():
            Company.objects.select_for_update().get(pk=office.company_id)
            stream = pool.submit(client.get, "/api/orders/export?fields=id,lines.sku")
            running = pool.submit(client.post, "/api/orders", body)
            assert eventually(waiting_for_a_lock)
            queued = [pool.submit(client.post, "/api/orders", body) for _ in range(5)]
            time.sleep(0.3)  # they have reached the server
            began = time.monotonic()
            service.process.terminate()
            assert eventually(lambda: refuses(service.port))  # a request could come in before, and wait for the lock
            assert client.get("/healthz").status == 503
            assert service.process.poll() is None
        assert [task.result().status for task in [running, *queued]] == [201] * 6
        assert stream.result().body.count(b"\n") == EXPORTED
        assert service.process.wait(timeout=30) == 0
    print(f"SIGTERM to exit: {time.monotonic() - began:.1f} s; router: {dict(router.answers)} {dict(router.errors)}")
    assert set(router.errors) == {"H21"}
    assert Order.objects.count() == EXPORTED + 6
