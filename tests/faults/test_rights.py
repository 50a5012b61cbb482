"""What is taken away while a request waits for its lock, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import transaction

from businesses import revisions, tokens
from businesses.models import Membership, Office, User
from orders.models import Order
from tests import factories
from tests.faults.activity import waiting_for_a_lock
from tests.faults.conftest import Serve
from tests.service import Client
from tests.waiting import eventually


def leave(user: User) -> None:
    Membership.objects.filter(user=user).delete()


def change_password(user: User) -> None:
    user.set_password("another one")
    user.save()


@pytest.mark.parametrize(("change", "status"), [(leave, 400), (change_password, 401), (lambda user: None, 201)])
@pytest.mark.parametrize("fast", ["0", "1"])
def test_an_order_needs_the_rights_of_its_turn(
    serve_here: Serve, office: Office, owner: User, change: Callable[[User], object], status: int, fast: str
) -> None:
    client = Client(serve_here(REDIS_URL="", FAST=fast).port, tokens.issue(owner)[0])
    body = {"office": office.pk, "lines": [{"sku": factories.product().sku, "quantity": 1}]}
    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic():
            revisions.bump([office.company_id])
            answer = pool.submit(client.post, "/api/orders", body)
            assert eventually(waiting_for_a_lock)
            change(owner)
        assert answer.result().status == status
    assert Order.objects.count() == (status == 201)
