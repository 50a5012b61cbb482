"""What a run leaves beside its terminal: HTML, JSON, GitHub's annotations, JUnit's properties."""

import json
from xml.etree import ElementTree

import pytest

from querybudget.tests.test_documents import SCHEMA

TESTS = """
import pytest

@pytest.mark.parametrize("number", [1, 2, 6])
def test_orders(client, make, number):
    make(number)
    client.get("/orders")

def test_me(client, db):
    client.get("/me")

@pytest.mark.query_budget(9, "GET /page")
def test_page(client, make):
    make(2)
    client.get("/page")
"""
LEDGER = '["GET /orders"]\nqueries = 4\n\n["GET /me"]\nqueries = 0\n'


@pytest.fixture
def orders(project):
    project.write(tests__test_orders=TESTS, ledger=LEDGER)
    return project


def report(project):
    found = json.loads((project.path / "report.json").read_text("utf-8"))
    SCHEMA.validate(found)
    return found


@pytest.mark.parametrize("processes", [[], ["-n2"]])
def test_the_report_has_each_endpoint_its_growth_and_the_dearest_request(orders, processes):
    result = orders.run("--query-budgets-json=report.json", "--query-budgets-html=report.html", *processes)
    assert result.ret == 1
    found = report(orders)
    me, listed, page = found["endpoints"]
    assert (me["endpoint"], me["budget"], me["queries"]) == ("GET /me", 0, 0)
    assert (listed["budget"], listed["queries"], listed["rows"], listed["tests"]) == (4, 7, 6, 3)
    assert listed["test"] == "tests/test_orders.py::test_orders[6]"
    assert (listed["growth"]["slope"], listed["growth"]["line"]) == (1.0, [[1, 2], [6, 7]])
    assert [statement["count"] for statement in listed["statements"]] == [1, 6]
    assert listed["statements"][1]["advice"] == ['.select_related("customer")']
    assert listed["statements"][1]["location"] == "shop/views.py:14"
    assert "SEARCH" in listed["statements"][1]["plan"]
    assert (page["queries"], page["tests"], page["growth"]) == (None, 1, None)
    assert [(one["endpoint"], one["message"].partition("  ")[0]) for one in found["violations"]] == [
        ("GET /orders", "GET /orders: 7 queries, budget 4")
    ]
    assert "With this change: 7 → 1 queries, same bytes (measured)." in found["violations"][0]["message"]
    assert "GET /<wbr>orders" in (orders.path / "report.html").read_text("utf-8")


def test_the_report_is_the_same_from_one_process_and_from_two(orders):
    found = []
    for processes in ([], ["-n2"]):
        orders.run("--query-budgets-json=report.json", *processes)
        one = report(orders)
        for endpoint in one["endpoints"]:
            endpoint["seconds"] = None
            for statement in endpoint["statements"]:
                statement["seconds"], statement["calls"] = None, len(statement["calls"])
        found.append({**one, "made": ""})
    assert found[0] == found[1]


def test_an_update_reports_the_new_budgets(orders):
    orders.run("--query-budgets=update", "--query-budgets-raise", "--query-budgets-json=report.json")
    assert [one["budget"] for one in report(orders)["endpoints"]] == [0, 7, None]


def test_no_file_is_written_unless_it_is_asked_for(orders):
    orders.run()
    assert not [path for path in orders.path.rglob("*") if path.suffix in (".html", ".json", ".xml")]


@pytest.mark.parametrize("processes", [[], ["-n2"]])
def test_github_is_told_of_each_violation(orders, processes, monkeypatch):
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(orders.path))
    lines = [line for line in orders.run(*processes).stdout.lines if line.startswith("::")]
    assert len(lines) == 1
    assert lines[0].startswith(
        "::error file=shop/views.py,line=14,title=GET /orders%3A 7 queries%2C budget 4 "
        "tests/test_orders.py%3A%3Atest_orders[6]:: 6×  customer of each order  shop/views.py:14%0A"
    )
    assert "%0AWith this change: 7 → 1 queries, same bytes (measured).%0A" in lines[0]


def test_nobody_else_is(orders, monkeypatch):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    orders.run().stdout.no_fnmatch_line("::error*")


@pytest.mark.parametrize("processes", [[], ["-n2"]])
def test_junit_has_queries_and_budget_of_each_endpoint_a_test_touched(orders, processes):
    orders.run("--junitxml=junit.xml", *processes)
    cases = ElementTree.parse(orders.path / "junit.xml").getroot().iter("testcase")  # noqa: S314 - our own file
    properties = {
        case.get("name"): {one.get("name"): one.get("value") for one in case.iter("property")} for case in cases
    }
    assert properties == {
        "test_orders[1]": {"queries GET /orders": "2", "budget GET /orders": "4"},
        "test_orders[2]": {"queries GET /orders": "3", "budget GET /orders": "4"},
        "test_orders[6]": {"queries GET /orders": "7", "budget GET /orders": "4"},
        "test_me": {"queries GET /me": "0", "budget GET /me": "0"},
        "test_page": {"queries GET /page": "3", "budget GET /page": "9"},
    }
