"""Everything that somebody may do to the others, at once, while those read pages and place orders."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from statistics import quantiles
from typing import TYPE_CHECKING, Any

from tests.faults.activity import waiting_for_a_lock
from tests.faults.conftest import Serve
from tests.faults.engines import Redis
from tests.faults.test_bulkheads import EXPORT, large, locked, order_of, sending, strangers
from tests.sample import full
from tests.service import Client, Service
from tests.waiting import eventually

if TYPE_CHECKING:
    from businesses.models import Office

__all__ = ["large"]  # a fixture
CLIENTS = 10
SECONDS = 20
DYNO = 512  # MB


class Neighbour:
    """A client of another company: reads a page, places an order, reads it; each answer is checked."""

    def __init__(self, service: Service, token: str, body: dict[str, Any]) -> None:
        self.client, self.body = Client(service.port, token), body
        self.seconds: list[float] = []
        self.orders: list[int] = []

    def timed(self, expected: int, ask: Callable[..., Any], *arguments: Any) -> Any:
        began = time.monotonic()
        answer = ask(*arguments)
        self.seconds.append(time.monotonic() - began)
        assert answer.status == expected, answer
        return answer.json()

    def live(self, until: Callable[[], bool]) -> None:
        while not until():
            page = self.timed(200, self.client.get, "/api/orders?limit=5")
            assert {row["office"]["id"] for row in page["results"]} <= {self.body["office"]}
            placed = self.timed(201, self.client.post, "/api/orders", self.body)
            self.orders.append(placed["id"])
            read = self.timed(200, self.client.get, f"/api/orders/{placed['id']}")
            assert read["number"] == placed["number"]


def p95(service: Service, people: list[tuple[str, dict[str, Any]]], seconds: float) -> tuple[float, list[int]]:
    """Of all that the neighbours waited for, and the orders that they have placed."""
    end = time.monotonic() + seconds
    neighbours = [Neighbour(service, token, body) for token, body in people]
    with ThreadPoolExecutor(len(neighbours)) as pool:
        for done in [pool.submit(each.live, lambda: time.monotonic() > end) for each in neighbours]:
            done.result()
    taken = [each for neighbour in neighbours for each in neighbour.seconds]
    return quantiles(taken, n=20)[-1], [order for neighbour in neighbours for order in neighbour.orders]


@contextlib.contextmanager
def attacked(service: Service, token: str, office: Office) -> Iterator[None]:
    """8 slow readers, 8 guessers, 500 slow bodies, a held lock with writers behind it, by many addresses."""
    ended, numbers = threading.Event(), itertools.count()
    client, body = Client(service.port, token), order_of(office)

    def address() -> dict[str, str]:
        number = next(numbers)
        return {"X-Forwarded-For": f"10.{number // 62500 % 250}.{number // 250 % 250}.{number % 250}"}

    def read_slowly() -> None:
        while not ended.is_set():
            with contextlib.suppress(OSError), client.reading(EXPORT) as reader:
                while not ended.is_set() and reader.recv(100):
                    time.sleep(1)

    def guess() -> None:
        while not ended.is_set():
            name = f"somebody{next(numbers)}"
            client.post("/api/auth/login", {"username": name, "password": name}, **address())

    def write() -> None:
        while not ended.is_set():
            client.post("/api/orders", body, **address())

    def send_slowly() -> None:
        connections = sending(service, 500)
        while not ended.wait(1):
            for each in connections:
                with contextlib.suppress(OSError):
                    each.sendall(b"x" * 1000)
        for each in connections:
            each.close()

    attacks = [read_slowly] * 8 + [guess] * 8 + [write] * 8 + [send_slowly]
    with ThreadPoolExecutor(len(attacks)) as pool:
        with locked(office.company_id):
            running = [pool.submit(attack) for attack in attacks]
            assert eventually(waiting_for_a_lock)
            time.sleep(3)
            yield
            ended.set()
        for each in running:
            each.result()


@full
def test_all_of_it_at_once(serve_here: Serve, redis: Redis, token: str, office: Office, large: int) -> None:
    from orders.models import Order

    people = [(stranger, order_of(other)) for other, stranger in [strangers() for _ in range(CLIENTS)]]
    service = serve_here(WEB_THREADS="4", BEHIND_ROUTER="1", REDIS_URL=redis.url, THROTTLE_LOGIN_ADDRESS="100000")
    health: list[float] = []

    def watch(until: threading.Event) -> None:
        while not until.wait(0.1):
            began = time.monotonic()
            assert Client(service.port, "").get("/healthz").status == 200
            health.append(time.monotonic() - began)

    quiet, placed = p95(service, people, SECONDS / 2)
    ended = threading.Event()
    with attacked(service, token, office), ThreadPoolExecutor(1) as pool:
        redis.ask(b"CONFIG SET maxmemory 1")
        watching = pool.submit(watch, ended)
        under_attack, more = p95(service, people, SECONDS)
        ended.set()
        watching.result()
    ratio, peak = under_attack / quiet, service.megabytes("VmHWM")
    print(
        f"p95 {quiet * 1000:.0f} ms, attacked {under_attack * 1000:.0f} ms ({ratio:.1f} times), "
        f"/healthz {max(health) * 1000:.0f} ms at most, {len(placed)} and {len(more)} orders, {peak:.0f} MB"
    )
    assert Order.objects.filter(pk__in=placed + more).count() == len(set(placed + more)) == len(placed + more)
    assert ratio < 10
    assert max(health) < 1
    assert peak < DYNO
