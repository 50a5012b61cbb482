"""SIGTERM loses nothing: what runs, waits or streams is finished, then the process ends with 0."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import pytest
from django.db import transaction

from businesses.models import Company, Office, User
from orders.models import Order
from tests import factories
from tests.faults.activity import waiting_for_a_lock
from tests.service import Client, Service
from tests.waiting import eventually

THREADS = 2


@pytest.fixture
def server(database_url: str) -> Iterator[Service]:
    with Service.start(DATABASE_URL=database_url, WEB_THREADS=str(THREADS)) as service:
        yield service


def stopping(server: Service) -> bool:
    """Send SIGTERM; whether the server refuses new connections soon, and still runs."""
    server.process.send_signal(signal.SIGTERM)
    return eventually(lambda: refuses(server.port)) and server.process.poll() is None


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_requests_that_run_or_wait_are_answered(server: Service, token: str, office: Office) -> None:
    client = Client(server.port, token)
    body = {"office": office.pk, "lines": [{"sku": factories.product().sku, "quantity": 1}]}
    with ThreadPoolExecutor(5) as pool:
        with transaction.atomic():
            Company.objects.select_for_update().get(pk=office.company_id)
            answers = [pool.submit(client.post, "/api/orders", body) for _ in range(5)]
            assert eventually(waiting_for_a_lock)  # one runs, the others wait for it to leave
            assert stopping(server)
        assert [answer.result().status for answer in answers] == [201] * 5
    assert server.process.wait(timeout=20) == 0
    assert Order.objects.count() == 5


def test_a_stream_is_sent_to_its_end(server: Service, token: str, owner: User, office: Office) -> None:
    factories.copies(factories.order(office, owner), 20_000)
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(
            f"GET /api/orders/export HTTP/1.0\r\nHost: localhost\r\nAuthorization: Token {token}\r\n\r\n".encode()
        )
        received = client.recv(1000)
        assert stopping(server)
        while chunk := client.recv(1 << 20):
            received += chunk
    assert received.count(b'"number"') == 20_001
    assert server.process.wait(timeout=20) == 0


def test_an_idle_connection_does_not_hold_it_up(server: Service) -> None:
    client = HTTPConnection("127.0.0.1", server.port, timeout=20)
    client.request("GET", "/healthz", headers={"Host": "localhost"})
    assert client.getresponse().read()
    started = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - started < 10
