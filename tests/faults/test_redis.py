"""Redis away: the same answers, one short wait, and found again without a restart.

tests/api/test_breaker.py holds the breaker itself; here is the whole service with it.
"""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from socket import SHUT_RDWR, create_connection, create_server, socket
from typing import TYPE_CHECKING

import pytest
from django.conf import settings

from tests import factories
from tests.faults.conftest import Serve
from tests.faults.engines import Redis
from tests.service import Answer, Client
from tests.waiting import eventually

if TYPE_CHECKING:
    from businesses.models import Office, User

THREADS = 4
TIMEOUT = 0.25  # seconds that an operation may take
ONCE = TIMEOUT + 0.05  # … and with what surrounds it
BUSY = 0.5  # seconds that a busy machine may add to a request
PATH = "/api/orders"


@pytest.fixture
def client(serve_here: Serve, redis: Redis, token: str, owner: User, office: Office) -> Client:
    for _ in range(3):
        factories.order(office, owner)
    service = serve_here(REDIS_URL=redis.url, REDIS_TIMEOUT="250", WEB_THREADS=str(THREADS))
    client = Client(service.port, token)
    assert eventually(lambda: is_hit(client.get(PATH)))
    return client


def is_hit(answer: Answer) -> bool:
    return answer.status == 200 and answer.headers["cache-status"].startswith("orders; hit")


def timed(client: Client) -> tuple[Answer, float]:
    """An answer that has to be computed, as no process has it on its shelf, and the seconds that it took."""
    began = time.monotonic()
    return client.get(PATH, **{"Cache-Control": "no-cache"}), time.monotonic() - began


def is_stored(answer: Answer) -> bool:
    return answer.status == 200 and answer.headers["cache-status"].endswith("; stored")


def same(answer: Answer, as_before: Answer) -> bool:
    return (answer.status, answer.body, answer.headers["etag"]) == (200, as_before.body, as_before.headers["etag"])


@pytest.mark.parametrize("fault", ["freeze", "kill"])
def test_away(client: Client, redis: Redis, fault: str) -> None:
    """Of the requests that meet the outage, each thread's first may wait; the breaker spares all others."""
    before = client.get(PATH)
    getattr(redis, fault)()
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda _: timed(client), range(60)))
    taken = sorted((seconds for _, seconds in answers), reverse=True)
    print(f"Redis {fault}: {taken[0]:.2f} s at most, median {taken[30] * 1000:.0f} ms")
    assert all(same(answer, before) for answer, _ in answers)
    assert not any(is_stored(answer) for answer, _ in answers)
    assert same(client.get(PATH), before)
    assert is_hit(client.get(PATH)) == settings.FAST  # from the shelf
    assert taken[0] < ONCE + BUSY
    waited = [seconds for seconds in taken if seconds > TIMEOUT]
    assert len(waited) <= 2 * THREADS  # at most a busy machine's share beside each thread's first
    redis.thaw() if fault == "freeze" else redis.start()
    began = time.monotonic()
    assert eventually(lambda: is_stored(timed(client)[0]))
    print(f"used again after {time.monotonic() - began:.1f} s")


def test_frozen_costs_one_wait(client: Client, redis: Redis) -> None:
    redis.freeze()
    taken = [timed(client)[1] for _ in range(20)]
    print(f"Redis frozen, one client: {taken[0]:.2f} s, then {max(taken[1:]) * 1000:.0f} ms at most")
    assert TIMEOUT * 0.9 < taken[0] < ONCE + BUSY
    assert sum(taken[1:]) < TIMEOUT * len(taken) / 4


@pytest.mark.parametrize("fault", ["flush", "restart"])
def test_emptied(client: Client, redis: Redis, fault: str) -> None:
    before = client.get(PATH)
    if fault == "flush":
        redis.flush()
    else:
        redis.kill()
        redis.start()
    answers = [timed(client) for _ in range(5)]
    assert all(same(answer, before) for answer, _ in answers)
    assert same(client.get(PATH), before)
    assert max(seconds for _, seconds in answers) < ONCE + BUSY
    assert eventually(lambda: is_stored(timed(client)[0]))


# --- TLS


@contextlib.contextmanager
def behind_tls(redis: Redis, folder: Path) -> Iterator[int]:
    """A port that speaks TLS, with a certificate that nobody signed but its owner, before a Redis that does not."""
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=redis.example"]
    files = ["-keyout", str(folder / "key"), "-out", str(folder / "certificate")]
    subprocess.run([*request, *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")

    def copy(source: socket, target: socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(SHUT_RDWR)

    def accept() -> None:
        while True:
            with contextlib.suppress(ssl.SSLError):
                try:
                    outer = context.wrap_socket(listener.accept()[0], server_side=True)
                except OSError as stopped:
                    if isinstance(stopped, ssl.SSLError):
                        raise
                    return
                inner = create_connection(("127.0.0.1", redis.port))
                for pair in ((outer, inner), (inner, outer)):
                    threading.Thread(target=copy, args=pair, daemon=True).start()

    with create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(SHUT_RDWR)


def test_tls_with_a_self_signed_certificate(
    serve_here: Serve, redis: Redis, token: str, owner: User, office: Office, tmp_path: Path
) -> None:
    order = factories.order(office, owner)
    with behind_tls(redis, tmp_path) as port:
        service = serve_here(REDIS_URL=f"rediss://127.0.0.1:{port}/0", WEB_THREADS="1")
        client = Client(service.port, token)
        assert eventually(lambda: is_hit(client.get(PATH)))
        ready = client.get("/readyz").json()
        assert (ready["status"], ready["redis"]["ok"]) == ("ok", True)
        assert client.get(PATH).json()["results"][0]["id"] == order.pk
