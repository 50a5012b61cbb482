"""Redis away: the same answers, one short wait, and found again without a restart.

tests/api/test_breaker.py holds the breaker itself; here is the whole service with it.
"""

from __future__ import annotations

import contextlib
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from socket import SHUT_RDWR, create_connection, create_server, socket
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings

from tests import factories
from tests.faults.conftest import Serve
from tests.faults.engines import Redis
from tests.service import Answer, Client
from tests.waiting import early_in_a_minute, eventually

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


# --- Full


def test_one_reader_does_not_lift_the_limit_of_logins_nor_push_out_what_others_have_kept(
    serve_here: Serve, redis: Redis, token: str, owner: User, office: Office
) -> None:
    factories.copies(factories.order(office, owner), 199)
    redis.ask(b"CONFIG SET maxmemory 6mb")
    service = serve_here(REDIS_URL=redis.url, WEB_THREADS="2")
    client = Client(service.port, token)
    assert client.get(PATH).status == 200
    whole = f"{PATH}?limit=200&placed_by={owner.pk}"
    queries = [f"{whole}&placed_by={other}" for other in range(10**9, 10**9 + 400)]
    stored = sum(is_stored(client.get(query)) for query in queries)
    print(f"{stored} of {len(queries)} pages stored")
    assert 0 < stored < len(queries)
    assert b"-OOM" not in redis.ask(b"SET another 1")
    redis.ask(b"CONFIG SET maxmemory 1")
    early_in_a_minute(20)
    refused = [client.post("/api/auth/login", {"username": "ada", "password": "wrong"}).status for _ in range(14)]
    assert refused == [401] * 10 + [429] * 4
    ready = client.get("/readyz").json()
    assert (ready["status"], ready["redis"]["ok"], ready["redis"]["limits"]) == ("ok", False, "here")
    assert sum("each process counts its own" in line for line in service.log) == 1


def test_a_redis_that_refuses_what_is_new_is_named_at_the_start(serve_here: Serve, redis: Redis) -> None:
    redis.ask(b"CONFIG SET maxmemory 3mb")
    assert "noeviction" in "".join(serve_here(REDIS_URL=redis.url).log)
    redis.ask(b"CONFIG SET maxmemory-policy volatile-lru")
    assert "noeviction" not in "".join(serve_here(REDIS_URL=redis.url).log)


# --- TLS


@dataclass(frozen=True, slots=True)
class Authority:
    """What signs certificates; nobody knows it but by `certificate`, its own."""

    folder: Path

    @property
    def certificate(self) -> Path:
        return self.folder / "authority"

    @classmethod
    def at(cls, folder: Path) -> Authority:
        folder.mkdir()
        openssl(
            folder,
            "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=authority -keyout authority.key -out authority "
            "-addext keyUsage=critical,keyCertSign",
        )
        return cls(folder)

    def sign(self, host: str) -> None:
        """`key` and `certificate` of a server of this name, in the folder."""
        (self.folder / "names").write_text(f"subjectAltName={host}\nauthorityKeyIdentifier=keyid")
        openssl(self.folder, "req -newkey rsa:2048 -nodes -subj /CN=redis -keyout key -out request")
        signing = "x509 -req -in request -CA authority -CAkey authority.key -CAcreateserial -days 1"
        openssl(self.folder, f"{signing} -extfile names -out certificate")


def openssl(folder: Path, command: str) -> None:
    subprocess.run(["openssl", *command.split()], cwd=folder, check=True, capture_output=True)


@contextlib.contextmanager
def behind_tls(redis: Redis, folder: Path) -> Iterator[int]:
    """A port that speaks TLS, with the folder's `key` and `certificate`, before a Redis that does not."""
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


@pytest.fixture
def at_tls(serve_here: Serve, redis: Redis, token: str, owner: User, office: Office) -> Iterator[Callable[..., Any]]:
    """`at_tls(folder, **variables)`: whether a service uses the Redis that has the folder's certificate; its log."""
    factories.order(office, owner)
    with contextlib.ExitStack() as stack:

        def uses(folder: Path, **variables: str) -> tuple[bool, str]:
            port = stack.enter_context(behind_tls(redis, folder))
            service = serve_here(REDIS_URL=f"rediss://127.0.0.1:{port}/0", WEB_THREADS="1", **variables)
            client = Client(service.port, token)
            stored = is_stored(timed(client)[0])
            ready = client.get("/readyz").json()
            assert (ready["status"], ready["redis"]["ok"]) == ("ok", stored)
            return stored, "".join(service.log)

        yield uses


def test_a_certificate_is_accepted_by_its_authority_alone(at_tls: Any, tmp_path: Path) -> None:
    known, other = Authority.at(tmp_path / "known"), Authority.at(tmp_path / "other")
    known.sign("IP:127.0.0.1")
    stored, log = at_tls(known.folder, REDIS_CA=str(known.certificate))
    assert (stored, "certificate" in log) == (True, False)
    assert at_tls(known.folder, REDIS_CA=known.certificate.read_text())[0]
    assert at_tls(known.folder, REDIS_CA=str(known.certificate), DYNO="web.1", BEHIND_ROUTER="0")[0]
    stored, log = at_tls(known.folder, REDIS_CA=str(other.certificate))
    assert (stored, "can't be trusted" in log) == (False, True)


def test_a_certificate_of_another_host_is_refused(at_tls: Any, tmp_path: Path) -> None:
    known = Authority.at(tmp_path / "known")
    known.sign("IP:127.0.0.2,DNS:localhost")
    assert at_tls(known.folder, REDIS_CA=str(known.certificate))[0] is False


def test_a_certificate_that_nobody_has_signed_is_refused_unless_somebody_says_so(at_tls: Any, tmp_path: Path) -> None:
    openssl(tmp_path, "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=redis -keyout key -out certificate")
    assert at_tls(tmp_path)[0] is False
    for variables in ({"REDIS_VERIFY": "0"}, {"DYNO": "web.1", "BEHIND_ROUTER": "0"}):
        stored, log = at_tls(tmp_path, **variables)
        assert (stored, log.count("certificate is not checked")) == (True, 1)
    assert at_tls(tmp_path, DYNO="web.1", BEHIND_ROUTER="0", REDIS_VERIFY="1")[0] is False
