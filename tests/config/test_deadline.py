"""A request's database work ends at its deadline, and what it began is rolled back."""

from __future__ import annotations

import threading
import time
from typing import Any

from django.db import connection, transaction

from businesses.models import Company, Office, User
from orders.models import Order
from tests import factories
from tests.waiting import eventually


def test_the_next_query_after_the_deadline_is_refused(
    client_of: Any, owner: User, office: Office, settings: Any
) -> None:
    """The order waits for its company's lock past the deadline; what follows is not run."""
    settings.REQUEST_DEADLINE = 1
    client, product = client_of(owner), factories.product()
    client.raise_request_exception = False
    locked = threading.Event()

    def hold() -> None:
        with transaction.atomic():
            Company.objects.select_for_update().get(pk=office.company_id)
            locked.set()
            assert eventually(somebody_waits, 10)
            time.sleep(1.05)  # the deadline counts from before it waits
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    assert locked.wait(20)
    body = {"office": office.pk, "lines": [{"sku": product.sku, "quantity": 1}]}
    response = client.post("/api/orders", body)
    holder.join()
    assert (response.status_code, response.json()["code"]) == (503, "deadline_exceeded")
    assert response.headers["Retry-After"] == "5"
    assert not Order.objects.exists()


def somebody_waits() -> bool:
    """Whether a session waits for the end of this transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_locks WHERE NOT granted AND transactionid = pg_current_xact_id()::xid")
        return cursor.fetchone() is not None


def test_a_request_in_time_is_answered(client_of: Any, owner: User, settings: Any) -> None:
    settings.REQUEST_DEADLINE = 10
    assert client_of(owner).get("/api/orders").status_code == 200


def test_the_deadline_of_one_request_does_not_bind_the_next(client_of: Any, owner: User, settings: Any) -> None:
    client = client_of(owner)
    client.raise_request_exception = False
    settings.REQUEST_DEADLINE = -1
    assert client.get("/api/orders").status_code == 503
    settings.REQUEST_DEADLINE = 10
    assert client.get("/api/orders").status_code == 200
