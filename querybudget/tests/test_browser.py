"""The HTML report in a real browser: read, sorted, opened, on a phone, in the dark, by keyboard."""

import pytest
from django.core.management import call_command
from selenium.webdriver.common.keys import Keys

from querybudget.tests.article.data import make as make_shop
from querybudget.tests.browser import LOOKS, chromium
from querybudget.tests.corpus.data import make

LEDGER = """
["GET /article/orders"]
queries = 4

["GET /article/offices"]
queries = 4

["GET /loop/nested_serializer"]
queries = 20
"""
ENDPOINTS = ["article/orders", "article/offices", "loop/nested_serializer", "fixed/nested_serializer"]

pytestmark = [pytest.mark.slow, pytest.mark.django_db(databases=["default", "archive"])]


@pytest.fixture(scope="module")
def tab():
    with chromium() as browser:
        yield browser


@pytest.fixture
def audit(settings, tmp_path):
    """The URL of the page of an audit."""
    settings.QUERY_BUDGETS_FOLDER = tmp_path
    (tmp_path / "query-budgets.toml").write_text(LEDGER, "utf-8")
    make_shop()
    make(5)
    page = tmp_path / "audit.html"
    with pytest.raises(SystemExit):
        call_command("querybudget", "audit", *(f"GET /{path}" for path in ENDPOINTS), "--html", str(page))
    return page.as_uri()


def endpoints(browser):
    return browser.texts("#endpoints + * tbody th")


@pytest.mark.parametrize(("width", "colours"), LOOKS)
def test_it_is_sound_closed_and_open(tab, audit, width, colours):
    tab.open(audit, width=width, colours=colours)
    tab.assert_sound(f"audit-{width}-{colours}")
    for summary in tab.all("summary"):
        summary.click()
    tab.assert_sound(f"audit-open-{width}-{colours}")


def test_colours_follow_the_reader(tab, audit):
    shades = []
    for colours in ("light", "dark"):
        tab.open(audit, colours=colours)
        shades.append(tab.run("return getComputedStyle(document.body).backgroundColor"))
    light, dark = (sum(map(int, shade[4:-1].split(","))) for shade in shades)
    assert light > 700
    assert dark < 100


def test_a_column_is_sorted_by_its_values_both_ways(tab, audit):
    tab.open(audit)
    worst = next(button for button in tab.all("thead button") if button.text.startswith("Worst"))
    worst.click()
    assert endpoints(tab) == [f"GET /{ENDPOINTS[number]}" for number in (1, 0, 2, 3)]
    assert tab.one("[aria-sort]").get_attribute("aria-sort") == "descending"
    worst.click()
    assert endpoints(tab) == [f"GET /{ENDPOINTS[number]}" for number in (3, 2, 0, 1)]
    next(button for button in tab.all("thead button") if button.text.startswith("Rows")).click()
    assert endpoints(tab)[:2] == ["GET /article/offices", "GET /article/orders"]  # 170 and 20: not as text
    tab.one("thead button").click()
    assert endpoints(tab) == sorted(f"GET /{path}" for path in ENDPOINTS)
    assert [element.text for element in tab.all("[aria-sort=ascending]")] == ["Endpoint"]
    assert tab.console() == []


def test_a_query_opens_to_its_line_its_fix_and_its_plan(tab, audit):
    tab.open(audit)
    addresses = next(row for row in tab.all("details") if "article_address" in row.text)
    inside = addresses.find_element("css selector", ".inside")
    assert not inside.is_displayed()
    addresses.find_element("css selector", "summary").click()
    assert inside.is_displayed()
    for text in ("serializers.py:29", "PersonSerializer.get_address", 'Prefetch("placed_by__addresses"', "Plan"):
        assert text in inside.text


def test_the_keyboard_reaches_and_works_everything(tab, audit):
    tab.open(audit)
    tab.press(Keys.TAB)
    assert tab.focused.text == "Skip to the report"
    tab.press(Keys.ENTER)
    seen = []
    for _ in range(200):
        tab.press(Keys.TAB)
        seen.append(tab.focused.tag_name)
        if tab.focused.tag_name == "button" and tab.focused.text.startswith("Worst"):
            tab.press(Keys.ENTER)
        if tab.focused.tag_name == "summary":
            tab.press(Keys.SPACE)
            break
    assert {"button", "a", "summary"} <= set(seen)
    assert tab.one("[aria-sort]").text.startswith("Worst")
    assert len(tab.all("details[open]")) == 1


def test_a_link_leads_to_the_endpoint(tab, audit):
    tab.open(audit)
    tab.one("tbody th a").click()
    assert tab.driver.current_url.endswith("#endpoint-1")
    assert tab.run("return document.querySelector('#endpoint-1').matches(':target')")


def test_without_javascript_all_but_sorting_works(audit):
    with chromium(javascript=False) as browser:
        browser.open(audit)
        assert endpoints(browser) == [f"GET /{path}" for path in ENDPOINTS]
        assert browser.all("thead button") == []
        row = browser.one("details")
        row.find_element("css selector", "summary").click()
        assert row.find_element("css selector", ".inside").is_displayed()
