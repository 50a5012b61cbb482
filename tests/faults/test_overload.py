"""More clients than the service can serve, behind a router that gives up after a while."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from tests.faults.conftest import Serve, slow
from tests.faults.router import Router
from tests.service import Client

CLIENTS, THREADS = 24, 2
WORK = 0.4  # seconds of each request: the 24 clients' turn comes round after 4.8
LIMIT = 4  # seconds, instead of the router's 30
SHED_AFTER = 2  # … and instead of 15
LOAD = 10  # seconds
ANEW = {"Cache-Control": "no-cache"}


def overload(serve: Serve, token: str, **environment: str) -> tuple[Counter[int], Counter[str], float]:
    """Answers and router errors once the queue has built up, and the seconds of a request when the load is over."""
    service = serve(WEB_THREADS=str(THREADS), BEHIND_ROUTER="1", REDIS_URL="", **environment)
    with slow("orders_product", WORK), Router(service.port, first_byte=LIMIT) as router:
        client = Client(router.port, token)
        end = time.monotonic() + LOAD

        def ask(_: int) -> None:
            while time.monotonic() < end:
                if client.get("/api/products", **ANEW).status == 503:
                    time.sleep(0.5)  # clients come back, if not after the whole Retry-After

        with ThreadPoolExecutor(CLIENTS) as pool:
            asking = [pool.submit(ask, number) for number in range(CLIENTS)]
            time.sleep(LIMIT + 0.5)
            warm = router.answers.copy(), router.errors.copy()
            for task in asking:
                task.result()
        done = router.answers - warm[0], router.errors - warm[1]
        began = time.monotonic()
        assert client.get("/api/products", **ANEW).status == 200
        return *done, time.monotonic() - began


def test_with_shedding_nobody_waits_in_vain(serve_here: Serve, token: str) -> None:
    answers, errors, recovery = overload(serve_here, token, SHED_AFTER=str(SHED_AFTER))
    print(f"with shedding: {dict(answers)}, {dict(errors)}; a request afterwards: {recovery:.1f} s")
    assert not errors
    assert answers[200] > (LOAD - LIMIT) / WORK  # half of what two threads can do
    assert answers[503]
    assert recovery < SHED_AFTER


def test_without_it_the_router_gives_up(serve_here: Serve, token: str) -> None:
    answers, errors, recovery = overload(serve_here, token, SHED_AFTER="1000")
    print(f"without shedding: {dict(answers)}, {dict(errors)}; a request afterwards: {recovery:.1f} s")
    assert errors["H12"] > answers[200]
