"""What watching costs: microseconds a query, and as a share of the request.

    python -m bench.capture [--rounds 300]

One request lists 100 books and lazily loads the author of each: 101 queries on SQLite in memory,
the cheapest database there is, so that the shares are the worst ones. Each tool runs in a process of
its own. `make .venv-peers/installed` installs the peers; one that is missing is left out with its reason.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-peers" / "bin" / "python"
BOOKS = 100
TOOLS = {
    "nothing": "nothing",
    "count": "querybudget, count only",
    "detail": "querybudget, with causes",
    "audit": "querybudget, with an audit of reads",
    "capture": "CaptureQueriesContext",
    "zeal": "django-zeal",
}
LIMITS = {"count": 2.0, "detail": 25.0}


def main() -> int:
    parser = argparse.ArgumentParser(description="What watching costs, beside its peers.")
    parser.add_argument("--rounds", type=int, default=300, help="pairs of requests a tool")
    parser.add_argument("--tool", choices=TOOLS, help="measure one tool in this process (used by the script itself)")
    options = parser.parse_args()
    if options.tool:
        print(*measure(options.tool, options.rounds))
        return 0
    from querybudget.progress import progress  # which the peers' Python may not have

    python, missing = peers()
    print(f"CPython {sys.version.split()[0]}, {BOOKS + 1} queries a request on SQLite in memory\n")
    print(f"{'':36}{'request':>10}{'a query':>12}{'share':>8}")
    over = False
    for tool, name in TOOLS.items():
        if tool in missing:
            print(f"{name:36}{missing[tool]}")
            continue
        with progress(name):
            plain, extra = run(python, tool, options.rounds)
        micros = extra / (BOOKS + 1) * 1e6
        beyond = micros > LIMITS.get(tool, micros)
        over = over or beyond
        limit = f"  above its limit of {LIMITS[tool]:g} µs" if beyond else ""
        share = extra / (plain + extra)
        figures = "" if tool == "nothing" else f"{micros:+9.1f} µs{share:8.1%}{limit}"
        print(f"{name:36}{(plain + extra) * 1e3:7.2f} ms{figures}")
    return over


def peers() -> tuple[Path, dict[str, str]]:
    """A Python that has the peers, and why the missing ones are."""
    if PEERS.exists():
        return PEERS, {}
    return Path(sys.executable), {"zeal": "not measured: make .venv-peers/installed installs django-zeal"}


def run(python: Path, tool: str, rounds: int) -> tuple[float, float]:
    command = [python, __file__, "--tool", tool, "--rounds", str(rounds)]
    answer = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()
    return float(answer[0]), float(answer[1])


def measure(tool: str, rounds: int) -> tuple[float, float]:
    """CPU seconds of a plain request, and what `tool` adds: medians over pairs of one of each.

    Pairs, because the machine's speed changes by more than the difference; CPU time, because it may
    be busy with something else.
    """
    request, context = prepare(tool)
    plain, extra = [], []
    for number in range(rounds):
        first, second = (contextlib.nullcontext, context)[:: 1 if number % 2 else -1]
        one, other = timed(request, first), timed(request, second)
        without, within = (one, other) if number % 2 else (other, one)
        plain.append(without)
        extra.append(within - without)
    return statistics.median(plain), statistics.median(extra)


def timed(request: Any, context: Any) -> float:
    start = time.process_time()
    with context():
        request()
    return time.process_time() - start


def prepare(tool: str) -> tuple[Any, Any]:
    """A function that makes the request, and the context manager to make it in."""
    sys.path.insert(0, str(ROOT))
    import django
    from django.conf import settings

    settings.configure(
        ROOT_URLCONF=sys.modules[__name__],
        INSTALLED_APPS=["django.contrib.contenttypes", *(["zeal"] if tool == "zeal" else [])],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        ALLOWED_HOSTS=["testserver"],
        ZEAL_RAISE=False,
        ZEAL_NPLUSONE_THRESHOLD=10**9,
    )
    django.setup()
    from django.db import connection, models
    from django.http import HttpResponse
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    from django.urls import path

    class Author(models.Model):  # noqa: DJ008 - never shown
        name = models.CharField(max_length=50)

        class Meta:
            app_label = "bench"

    class Book(models.Model):  # noqa: DJ008
        title = models.CharField(max_length=50)
        author = models.ForeignKey(Author, models.CASCADE)

        class Meta:
            app_label = "bench"

    with connection.schema_editor() as editor:
        editor.create_model(Author)
        editor.create_model(Book)
    authors = Author.objects.bulk_create(Author(name=f"author {number}") for number in range(BOOKS))
    Book.objects.bulk_create(Book(title="book", author=author) for author in authors)

    def books(request: Any) -> HttpResponse:
        return HttpResponse(",".join(book.author.name for book in Book.objects.all()))

    globals()["urlpatterns"] = [path("books", books)]
    client = Client()
    return lambda: client.get("/books"), context_of(tool, lambda: CaptureQueriesContext(connection))


def context_of(tool: str, capture: Any) -> Any:
    if tool == "capture":
        return capture
    if tool == "zeal":
        from zeal import zeal_context

        return zeal_context
    if tool in ("count", "detail", "audit"):
        from querybudget import watch

        return lambda: watch(detail=tool != "count", audit=tool == "audit")
    return contextlib.nullcontext


if __name__ == "__main__":
    sys.exit(main())
