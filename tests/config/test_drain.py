"""SIGTERM loses nothing: what runs, waits or streams is finished, then the process ends with 0."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path

import pytest
from django.db import connection, transaction

from businesses import tokens
from businesses.models import Company, Office, User
from orders.models import Order
from tests import factories
from tests.faults.activity import waiting_for_a_lock
from tests.waiting import eventually
from tests.web import announced_port

ROOT = Path(__file__).resolve().parent.parent.parent
THREADS = 2


@pytest.fixture
def office(transactional_db: None) -> Office:
    return factories.office()


@pytest.fixture
def owner(office: Office) -> User:
    return factories.member(office.company)


@pytest.fixture
def server(owner: User) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A server process on the test's database, with two threads, and its port."""
    url = re.sub(r"/[^/]*$", f"/{connection.settings_dict['NAME']}", os.environ["DATABASE_URL"])
    environment = {"DATABASE_URL": url, "PORT": "0", "HOST": "127.0.0.1", "LOG_LEVEL": "INFO", "WEB_THREADS": "2"}
    process = subprocess.Popen(
        [sys.executable, "-m", "config.server"],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield process, announced_port(process)
    finally:
        process.kill()
        process.communicate()


def place(port: int, token: str, body: str) -> int:
    client = HTTPConnection("127.0.0.1", port, timeout=40)
    headers = {"Authorization": f"Token {token}", "Content-Type": "application/json", "Host": "localhost"}
    client.request("POST", "/api/orders", body, headers)
    return client.getresponse().status


def refuses(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def test_requests_that_run_or_wait_are_answered(
    server: tuple[subprocess.Popen[str], int], owner: User, office: Office
) -> None:
    process, port = server
    token, _ = tokens.issue(owner)
    body = f'{{"office": {office.pk}, "lines": [{{"sku": "{factories.product().sku}", "quantity": 1}}]}}'
    with ThreadPoolExecutor(5) as pool:
        with transaction.atomic():
            Company.objects.select_for_update().get(pk=office.company_id)
            answers = [pool.submit(place, port, token, body) for _ in range(5)]
            assert eventually(lambda: waiting_for_a_lock() == THREADS)  # two run, three wait for a thread
            process.send_signal(signal.SIGTERM)
            assert eventually(lambda: refuses(port))
            assert process.poll() is None
        assert [answer.result() for answer in answers] == [201] * 5
    assert process.wait(timeout=20) == 0
    assert Order.objects.count() == 5


def test_a_stream_is_sent_to_its_end(server: tuple[subprocess.Popen[str], int], owner: User, office: Office) -> None:
    process, port = server
    token, _ = tokens.issue(owner)
    factories.copies(factories.order(office, owner), 20_000)
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(
            f"GET /api/orders/export HTTP/1.0\r\nHost: localhost\r\nAuthorization: Token {token}\r\n\r\n".encode()
        )
        received = client.recv(1000)
        process.send_signal(signal.SIGTERM)
        assert eventually(lambda: refuses(port))
        assert process.poll() is None
        while chunk := client.recv(1 << 20):
            received += chunk
    assert received.count(b'"number"') == 20_001
    assert process.wait(timeout=20) == 0


def test_an_idle_connection_does_not_hold_it_up(server: tuple[subprocess.Popen[str], int]) -> None:
    process, port = server
    client = HTTPConnection("127.0.0.1", port, timeout=20)
    client.request("GET", "/healthz", headers={"Host": "localhost"})
    assert client.getresponse().read()
    started = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=20) == 0
    assert time.monotonic() - started < 10
