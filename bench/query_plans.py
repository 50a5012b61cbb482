"""Database time and plans of GET /api/orders on 1M orders of 50 companies, one of which has 350 offices.

    python -m bench.query_plans [--orders 1000000] [--url postgres://…]

Starts a PostgreSQL of its own and fills it (some minutes; `--url` takes one that is filled already).
Every case is a real request; each of its statements then runs under EXPLAIN (ANALYZE), five times,
and the medians of planning plus execution are added up. Exit code 1 if a request takes 20 ms of database time or
more, or if any plan reads orders sequentially.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
from datetime import timedelta
from typing import Any

import django
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.db.utils import OperationalError
from rich.console import Console
from rich.table import Table

from querybudget.progress import progress
from tests.servers import ServerMissingError, running

LIMIT_MS = 20
RUNS = 5
LARGEST = 350  # offices
ASLEEP = 11, 13  # companies, by their places


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=1_000_000)
    parser.add_argument("--url", help="a database that this script or seed_demo filled")
    options = parser.parse_args()
    os.environ |= {"DJANGO_SETTINGS_MODULE": "config.settings", "SECRET_KEY": "bench" * 12, "HTTPS": "0"}
    os.environ |= {"ALLOWED_HOSTS": "testserver", "THROTTLE_USER": "1000000", "REDIS_URL": "", "LOG_LEVEL": "ERROR"}
    try:
        if options.url:
            os.environ["DATABASE_URL"] = options.url
            return measure()
        with running() as addresses:
            os.environ["DATABASE_URL"] = addresses.database_url
            return measure(options.orders)
    except (ServerMissingError, OperationalError, CommandError) as problem:
        sys.exit(f"error: {' '.join(str(problem).split())}")


def measure(orders: int = 0) -> int:
    django.setup()
    call_command("migrate", verbosity=0)
    if orders:
        call_command("seed_demo", orders=orders)
        put_to_sleep()
    table = Table("request", "rows", "database ms", "statements", "reads orders by", title="GET /api/orders")
    failed = False
    demo, roving, asleep = token("demo"), token(buyer("roving", 1, 11)), token(buyer("asleep", *ASLEEP))
    urls = [(name, demo, url) for name, url in cases().items()]
    urls.append(("first page, of ten small companies", roving, "/api/orders"))
    urls.append(("search, of ten small companies", roving, "/api/orders?search=2024"))
    urls.append(("first page, of two companies asleep", asleep, "/api/orders"))
    urls += [(f"first page, of {name}", token(person), "/api/orders") for name, person in members().items()]
    with progress("requests", len(urls)) as shown:
        for name, bearer, url in urls:
            rows, milliseconds, plans = request(url, bearer)
            scans = sorted({scan for plan in plans for scan in order_scans(plan["Plan"])})
            bad = "Seq Scan" in scans or milliseconds >= LIMIT_MS
            failed |= bad
            mark = "red" if bad else ""
            table.add_row(name, str(rows), f"{milliseconds:.2f}", str(len(plans)), ", ".join(scans), style=mark)
            shown.advance()
    Console(width=140).print(table)
    return int(failed)


def cases() -> dict[str, str]:
    """A name and a URL for each filter, in values that match much, little and nothing."""
    from businesses.models import Office, User
    from orders.models import Order

    company = User.objects.get(username="demo").memberships.get().company
    offices = list(Office.objects.filter(company=company).values_list("pk", flat=True))
    foreign = Office.objects.exclude(company=company).first()
    newest = Order.objects.filter(company=company).order_by("-placed_at", "-id")
    person = newest[0].placed_by_id
    middle = newest[newest.count() // 2]
    queries = {
        "first page": "",
        "first page, 200 rows": "limit=200",
        "oldest first": "ordering=placed_at",
        "page 10,000": f"cursor={deep_cursor(newest[min(500_000, newest.count() - 51)])}",
        "status=placed": "status=placed",
        "status, two of them": "status=placed&status=cancelled",
        "company": f"company={company.pk}",
        "office": f"office={offices[0]}",
        "office, ten": "&".join(f"office={pk}" for pk in offices[:10]),
        "office, all 350": "&".join(f"office={pk}" for pk in offices),
        "office of another company": f"office={foreign.pk if foreign else 0}",
        "placed_by": f"placed_by={person}",
        "placed_by of nobody": "placed_by=999999999",
        "date_after, recent": "date_after=2025-12-31",
        "date_before, old": "date_before=2024-01-05",
        "date_before, nothing": "date_before=2020-01-01",
        "placed_after": "placed_after=2025-12-31T12:00:00Z",
        "placed_before": "placed_before=2024-06-01T00:00:00Z",
        "since_version, all": "since_version=0",
        "since_version, latest": f"since_version={company.revision - 10}",
        "search, year": "search=2024",
        "search, old thousand": "search=2024-0000",
        "search, one": f"search={middle.number}",
        "search, nothing": "search=zzz",
    }
    return {name: f"/api/orders?{query}" for name, query in queries.items()}


def deep_cursor(row: Any) -> str:
    """The cursor behind `row` of the demo user's unfiltered list."""
    from types import SimpleNamespace

    from django.http import QueryDict

    from api import keyset
    from businesses.authentication import resolve

    asked: Any = SimpleNamespace(path="/api/orders", query_params=QueryDict(""))
    _, scope = resolve(token("demo"))
    return keyset.encode(keyset.Cursor((row.placed_at, row.pk)), keyset.binding(asked, scope.audience))


def request(url: str, bearer: str) -> tuple[int, float, list[dict[str, Any]]]:
    """Rows answered, milliseconds of database time, and the plan of each statement."""
    from django.test.utils import CaptureQueriesContext
    from rest_framework.test import APIClient

    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Token {bearer}")
    with CaptureQueriesContext(connection) as captured:
        response = client.get(url)
    assert response.status_code == 200, response.content
    plans, total = [], 0.0
    for query in captured:
        runs = [explain(query["sql"]) for _ in range(RUNS)]
        total += statistics.median(run["Planning Time"] + run["Execution Time"] for run in runs)
        plans.append(runs[-1])
    return len(response.json()["results"]), total, plans


def explain(sql: str) -> dict[str, Any]:
    prepared = sql.rfind("EXECUTE planned_")  # what comes before it prepares it, and was done
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql[max(prepared, 0) :]}")
        plan: dict[str, Any] = cursor.fetchone()[0][0]
        return plan


def token(username: str) -> str:
    from businesses import tokens
    from businesses.models import User

    return tokens.issue(User.objects.get(username=username))[0]


def put_to_sleep() -> None:
    """Two companies have not ordered for three years."""
    from businesses.models import Company
    from orders.models import Order

    companies = list(Company.objects.order_by("pk")[slice(*ASLEEP)])
    Order.objects.filter(company__in=companies).update(placed_at=F("placed_at") - timedelta(days=3 * 365))
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE orders_order")


def buyer(username: str, *companies: int) -> str:
    """A buyer in these of the companies, which have about 1 % of all orders each."""
    from businesses.models import Company, Membership, Role, User

    user, _ = User.objects.get_or_create(username=username)
    for company in Company.objects.order_by("pk")[slice(*companies)]:
        Membership.objects.get_or_create(user=user, company=company, defaults={"role": Role.BUYER})
    return user.username


def members() -> dict[str, str]:
    """Viewers of single offices: which, and whose name they have."""
    from businesses.models import Company, Membership, Office, Role, User

    largest, *others = Company.objects.order_by("pk")
    few, all_but_one = largest.offices.order_by("pk"), others[0].offices.order_by("pk")[1:]
    offices: dict[str, list[Office]] = {f"{number} single offices": [*few[:number]] for number in (1, 10, LARGEST)}
    offices["a small company's offices but one"] = [*all_but_one]
    offices["ten companies, one office each"] = [other.offices.earliest("pk") for other in others[:10]]
    for name, own in offices.items():
        user, _ = User.objects.get_or_create(username=f"member of {name}")
        for office in own:
            held = {"company": office.company, "office": office}
            Membership.objects.get_or_create(user=user, **held, defaults={"role": Role.VIEWER})
    return {name: f"member of {name}" for name in offices}


def order_scans(node: dict[str, Any]) -> list[str]:
    """How the plan reads orders: index names, or "Seq Scan"."""
    own = []
    if node.get("Relation Name") == "orders_order":
        own = [node.get("Index Name") or node["Node Type"]]
    elif node["Node Type"] == "Bitmap Index Scan":
        own = [node["Index Name"]]
    return own + [scan for child in node.get("Plans", []) for scan in order_scans(child)]


if __name__ == "__main__":
    sys.exit(main())
