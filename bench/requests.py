"""What one request costs inside the process: through middleware, view and database, without a socket.

    python -m bench.requests [--orders 20000] [--rounds 100]

Two ways are taken in turn: as the service answers, and with nothing accelerated, which is the reference.
Prints medians in milliseconds, of CPU time in this process too, and the ratio of the two ways. "hit" and "304"
are one way. The last line is an export in rows a second.
"""

from __future__ import annotations

import argparse
import io
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from api.seam import ordinary
from tests.servers import running

ROOT = Path(__file__).resolve().parent.parent
COLD = {"HTTP_CACHE_CONTROL": "no-cache"}
SETTINGS = {"SECRET_KEY": "bench" * 12, "HTTPS": "0", "ALLOWED_HOSTS": "localhost", "LOG_LEVEL": "ERROR",
            "THROTTLE_USER": str(10**9), "DJANGO_SETTINGS_MODULE": "config.settings"}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=100)
    options = parser.parse_args()
    os.environ |= SETTINGS
    with running() as addresses:
        os.environ |= {"DATABASE_URL": addresses.database_url, "REDIS_URL": addresses.redis_url}
        manage("migrate", "-v0")
        manage("seed_demo", f"--orders={options.orders}", "-v0")
        report(manage("create_token", "demo"), options.rounds)
    return 0


def manage(*arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def report(token: str, rounds: int) -> None:
    from config.warmup import warm_up
    from config.wsgi import application

    def asking(url: str, **headers: str) -> Callable[[], int]:
        return lambda: ask(application, url, token, **headers)[1]

    warm_up()
    key = json_of(application, token)["results"][0]["id"]
    etag = ask(application, "/api/orders", token)[0]["ETag"]
    cold = {
        "cold list of 50": asking("/api/orders", **COLD),
        "cold list of 200": asking("/api/orders?limit=200", **COLD),
        "cold list, filtered": asking("/api/orders?status=placed&placed_after=2024-03-01T00:00:00Z", **COLD),
        "detail": asking(f"/api/orders/{key}", **COLD),
        "summary by office": asking("/api/orders/summary?group_by=office", **COLD),
    }
    print(f"{'milliseconds':22}{'database':>10}{'CPU':>8}{'serializers':>13}{'CPU':>8}{'ratio':>8}{'CPU':>8}")
    for name, request in cold.items():
        mine, theirs = compare(request, rounds)
        ratios = f"{theirs[0] / mine[0]:8.1f}{theirs[1] / mine[1]:8.1f}"
        print(f"{name:22}{mine[0]:10.2f}{mine[1]:8.2f}{theirs[0]:13.2f}{theirs[1]:8.2f}{ratios}")
    for name, request in {
        "hit": asking("/api/orders"),
        "304": asking("/api/orders", HTTP_IF_NONE_MATCH=etag),
    }.items():
        times = [timed(request) for _ in range(rounds * 3)]
        print(f"{name:22}{median(wall for wall, _ in times):10.2f}{median(cpu for _, cpu in times):8.2f}")
    export = asking("/api/orders/export")
    mine, theirs = compare(export, 3)
    orders = count_lines(application, token)
    print(f"export, orders/s      {orders / mine[0] * 1000:10.0f}{orders / theirs[0] * 1000:21.0f}", end="")
    print(f"{theirs[0] / mine[0]:16.1f}{theirs[1] / mine[1]:8.1f}")


Times = tuple[float, float]  # milliseconds: wall, CPU


def compare(request: Callable[[], int], rounds: int) -> tuple[Times, Times]:
    """Medians of both ways, taken in turn; a tenth of the rounds warms up."""
    mine, theirs = [], []
    for number in range(rounds + rounds // 10 + 1):
        one = timed(request)
        with ordinary():
            other = timed(request)
        if number > rounds // 10:
            mine.append(one)
            theirs.append(other)
    return middle(mine), middle(theirs)


def middle(times: list[Times]) -> Times:
    return median(wall for wall, _ in times), median(cpu for _, cpu in times)


def timed(call: Callable[[], object]) -> Times:
    wall, cpu = time.perf_counter(), time.thread_time()
    call()
    return (time.perf_counter() - wall) * 1000, (time.thread_time() - cpu) * 1000


def ask(application: Any, url: str, token: str, *, collect: list[bytes] | None = None, **headers: str) -> Any:
    """The headers of an answer and the bytes in its body."""
    path, _, query = url.partition("?")
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "HTTP_AUTHORIZATION": f"Token {token}",
        **headers,
    }
    answered: list[Any] = []
    body = application(environ, lambda status, sent, *rest: answered.extend([status, dict(sent)]))
    size = 0
    for part in body:
        size += len(part)
        if collect is not None:
            collect.append(part)
    if hasattr(body, "close"):
        body.close()
    assert answered[0][:3] in ("200", "304"), answered
    return answered[1], size


def json_of(application: Any, token: str) -> Any:
    import json

    parts: list[bytes] = []
    ask(application, "/api/orders", token, collect=parts)
    return json.loads(b"".join(parts))


def count_lines(application: Any, token: str) -> int:
    parts: list[bytes] = []
    ask(application, "/api/orders/export", token, collect=parts)
    return b"".join(parts).count(b"\n")


if __name__ == "__main__":
    sys.exit(main())
