"""Query reports in the service: a token, a capture on Redis, and the pages for staff, in a browser too."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import Client

from businesses import tokens
from businesses.models import User
from querybudget import captures
from querybudget.tests.browser import LOOKS, Browser, chromium
from querybudget.traffic import traffic
from tests import factories, service
from tests.waiting import eventually

PASSWORD = "a-long-password"


@pytest.fixture
def token() -> str:
    printed = io.StringIO()
    call_command("querybudget", "token", stdout=printed)
    return printed.getvalue().strip()


def owner() -> User:
    """Of a company with orders."""
    office = factories.office()
    person = factories.member(office.company)
    for _ in range(3):
        factories.order(office, person)
    return person


def staff() -> User:
    return User.objects.create_superuser("staff", "staff@example.com", PASSWORD)


def test_a_page_of_orders_is_captured_and_its_report_is_for_staff(db: None, client_of: Any, token: str) -> None:
    answered = client_of(owner()).get("/api/orders?search=2025", headers={"X-Query-Report": token})
    url = answered.headers["X-Query-Report"]
    (captured,) = captures.recent()
    report = captures.kept(captured["id"])
    assert report is not None
    (endpoint,) = report["endpoints"]
    assert (endpoint["endpoint"], endpoint["queries"], endpoint["findings"]) == (
        "GET /api/orders",
        2 if settings.FAST else 3,
        [],
    )
    assert all(statement["plan"] for statement in endpoint["statements"])
    assert "2025" not in json.dumps(endpoint)

    browser = Client()
    assert browser.get(url).headers["Location"] == f"/admin/login/?next={url}"
    browser.force_login(factories.user())
    assert browser.get(url).status_code == 403
    browser.force_login(factories.user(is_staff=True))
    for page in (url, "/-/queries/"):
        seen = browser.get(page)
        assert (seen.status_code, seen.headers["Cache-Control"]) == (200, "no-store")
        assert "GET /api/orders" in seen.content.decode().replace("<wbr>", "")


def test_a_kept_page_of_orders_is_captured_as_what_it_is(transactional_db: None, client_of: Any, token: str) -> None:
    client = client_of(owner())
    client.get("/api/orders")
    client.get("/api/orders", headers={"X-Query-Report": token})
    assert captures.recent()[0]["endpoint"] == "GET /api/orders [hit]"


def test_a_report_of_one_process_is_seen_by_another(database_url: str, token: str) -> None:
    """The server is another process than this one; the report is on the Redis that they share."""
    with service.Service.start(DATABASE_URL=database_url) as server:
        client = service.Client(server.port, tokens.issue(owner())[0])
        answer = client.get("/api/orders", **{"X-Query-Report": token})
    report = captures.kept(answer.headers["x-query-report"].rpartition("/")[2])
    assert report is not None
    assert report["endpoints"][0]["endpoint"] == "GET /api/orders"


def test_an_audit_of_the_service_keeps_every_budget_and_finds_nothing(transactional_db: None, tmp_path: Path) -> None:
    authorization = f"Authorization: Token {tokens.issue(owner())[0]}"
    printed, page = io.StringIO(), tmp_path / "audit.html"
    call_command("querybudget", "audit", "--header", authorization, "--json", "--html", str(page), stdout=printed)
    report = json.loads(printed.getvalue())
    asked = {one["endpoint"]: one for one in report["endpoints"] if one["status"] == 200}
    lists = {
        f"GET /api/{name}" for name in ("orders", "orders/export", "companies", "offices", "addresses", "products")
    }
    assert lists <= asked.keys()
    assert [name for name, one in asked.items() if one["queries"] > one["budget"]] == []
    assert [finding for one in report["endpoints"] for finding in one["findings"]] + report["findings"] == []
    assert authorization not in page.read_text("utf-8")


# --- In a browser


@pytest.fixture(scope="module")
def tab() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def report(transactional_db: None, live_server: Any, client_of: Any, token: str) -> str:
    """The URL of a report on the live server, that of a page without a cache and of one with a loop."""
    traffic.clear()
    client = client_of(owner())
    for limit in (1, 2, 3):
        client.get(f"/api/orders?limit={limit}")
    client.get("/api/companies", headers={"X-Query-Report": token})
    answered = client.get("/api/orders", headers={"X-Query-Report": token})
    return f"{live_server.url}{answered.headers['X-Query-Report']}"


def log_in(tab: Browser, url: str) -> None:
    """Ask for a page, be sent to the admin's login, and come back."""
    staff()
    tab.driver.delete_all_cookies()
    tab.open(url)
    tab.one("#id_username").send_keys("staff")
    tab.one("#id_password").send_keys(PASSWORD)
    tab.one("[type=submit]").click()
    assert eventually(lambda: tab.driver.current_url == url)
    tab.console()  # the admin's own pages are not ours to judge


def test_staff_log_in_read_a_report_and_sort_the_list(tab: Browser, report: str) -> None:
    log_in(tab, report)
    assert tab.one("h1").text == "GET /api/orders"
    for width, colours in LOOKS:
        tab.look(width, colours)
        tab.assert_sound(f"report-{width}-{colours}")
    tab.one("summary").click()
    assert "read api_revision" in tab.one("details[open]").text
    tab.assert_sound("report-open")

    tab.one(".kicker a").click()
    for width, colours in LOOKS:
        tab.look(width, colours)
        tab.assert_sound(f"reports-{width}-{colours}")
    assert tab.texts("#captured + * tbody th") == ["GET /api/orders", "GET /api/companies"]
    tab.one("#captured + * thead button").click()
    assert tab.texts("#captured + * tbody th") == ["GET /api/companies", "GET /api/orders"]
    tab.one("#captured + * tbody th a").click()
    assert tab.one("h1").text == "GET /api/companies"
    assert tab.console() == []
