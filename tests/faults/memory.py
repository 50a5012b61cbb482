"""How much memory the server takes: in the suite for a while, in `python -m bench.memory` at full length."""

from __future__ import annotations

import http.client
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlencode

from tests.service import Client, Service

CLIENTS, THREADS = 32, 3
HEAVIEST = "/api/orders?limit=200&expand=events"
ORDINARY = [
    "/api/orders",
    "/api/orders?limit=20&status=placed",
    "/api/me",
    "/api/offices",
    "/api/orders/summary?group_by=status",
]
ENVIRONMENT = {"WEB_THREADS": str(THREADS), "MALLOC_ARENA_MAX": "2", "REDIS_URL": ""}  # as app.json has it
PEAK = "VmHWM"


def ask(client: Client, paths: list[str], number: int) -> None:
    """`number` requests of 32 clients, each with a connection of its own, computed anew."""

    def some(share: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=120)
        for path in itertools.islice(itertools.cycle(paths), share):
            connection.request("GET", path, headers=client.headers(**{"Cache-Control": "no-cache"}))
            response = connection.getresponse()
            body = response.read()
            assert response.status == 200, body
        connection.close()

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(some, [number // CLIENTS] * CLIENTS))


def peak_of_lists(service: Service, client: Client, number: int) -> float:
    """The most that was resident, in MB, during and before `number` requests for the heaviest list."""
    ask(client, [HEAVIEST], number)
    return service.megabytes(PEAK)


def added_by_export(service: Service, client: Client) -> tuple[int, float]:
    """How many orders a whole export holds, and how many MB its reading adds to what is resident before."""
    before = service.megabytes()
    service.forget_peak()
    connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=600)
    connection.request("GET", "/api/orders/export", headers=client.headers())
    response, orders = connection.getresponse(), 0
    while part := response.read(1 << 16):
        orders += part.count(b"\n")
    connection.close()
    return orders, service.megabytes(PEAK) - before


def growth(service: Service, client: Client, number: int) -> float:
    """By which share resident memory grows during `number` ordinary requests."""
    before = service.megabytes()
    ask(client, ORDINARY, number)
    return service.megabytes() / before - 1


def distinct(number: int, ids: int) -> Iterator[str]:
    """So many queries of which no two are alike: selections, filters, limits and orders, each with `ids` values."""
    names = ["id", "number", "status", "total", "date", "lines.sku", "lines.total", "ship_to.city", "office.name"]
    expand = ["company", "office", "placed_by", "events", "office.company"]
    for each in range(number):
        fields = [name for at, name in enumerate(names) if (each + 1) >> at & 1] or ["id"]
        fields += [*expand[: 1 + each % 4], "allowed_transitions", "address", "version", "placed_at"]
        chosen = {"fields": ",".join(fields), "expand": ",".join(expand[: 1 + each % 4]), "limit": 1 + each % 200}
        chosen |= {"ordering": ["-placed_at", "placed_at", "-number", "number"][each % 4]}
        many = "".join(f"&{name}={10**9 + each * 1000 + at}" for name in ("office", "placed_by") for at in range(ids))
        yield f"/api/orders?{urlencode(chosen)}{many}"
