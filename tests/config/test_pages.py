"""The pages that anybody sees, in a browser: phone and desktop, dark and light."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from querybudget.tests.browser import LOOKS, Browser, chromium


@pytest.fixture
def tab() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def test_the_first_page_shows_where_to_go(tab: Browser, live_server: Any) -> None:
    tab.open(live_server.url)
    for width, colours in LOOKS:
        tab.look(width, colours)
        tab.assert_sound(f"home-{width}-{colours}")
    assert f"{live_server.url}/api/orders?" in tab.one("pre").text
    leads_to = [link.get_attribute("href").removeprefix(live_server.url) for link in tab.all("a")]
    assert leads_to == ["/api/docs", "/api/schema?format=json", "/-/queries/", "/admin/"]


def test_the_documentation_opens_an_endpoint_and_tries_it(tab: Browser, live_server: Any) -> None:
    tab.open(live_server.url)
    tab.one("a").click()
    assert tab.driver.current_url == f"{live_server.url}/api/docs"
    tab.driver.implicitly_wait(20)
    tab.one(".opblock")
    for width, colours in LOOKS:
        tab.look(width, colours)
        tab.assert_sound(f"docs-{width}-{colours}")
    tab.one("#operations-auth-auth_login_create .opblock-summary-control").click()
    tab.one("#operations-auth-auth_login_create .try-out__btn").click()
    tab.assert_sound("docs-open")
    tab.one("#operations-auth-auth_login_create .execute").click()
    assert tab.one(
        "#operations-auth-auth_login_create .live-responses-table tbody .response-col_status"
    ).text.startswith("4")
    refused = f"{live_server.url}/api/auth/login - "  # as was asked for
    assert [line for line in tab.console() if not line.startswith(refused)] == []
    tab.shoot("docs-tried")


def test_the_first_page_asks_no_database_and_takes_nothing() -> None:
    assert Client().get("/").status_code == 200
    assert Client().head("/").status_code == 200
    assert Client().post("/").status_code == 405
