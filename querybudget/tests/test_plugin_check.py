"""`--query-budgets=check`: what fails, where, with which words."""

import pytest

LEDGER = """\
# hand-written
["GET /orders"]
queries = 1
shapes = [
  "read shop_order, shop_customer",
]
"""


def test_without_a_ledger_the_plugin_is_off(project):
    result = project.run()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*query budgets*")


def test_a_request_within_its_budget_passes(project):
    project.fix()
    project.write(ledger=LEDGER)
    result = project.run()
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "query budgets: check, query-budgets.toml (1 endpoints)",
            "*= query budgets =*",
            "endpoint * budget * worst * rows * growth * tests",
            "GET /orders * 1 * 1 * 3 * 1",
            "Routes that no test touched:",
            "  [*] /async",
            "  GET /api",
            "  GET /orders/{pk}",
            "  GET /page",
            "  POST /orders/{pk}",
        ]
    )


def test_a_request_over_its_budget_fails_the_test_in_the_call_phase_once(project):
    project.write(ledger=LEDGER)
    result = project.run()
    result.assert_outcomes(failed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "*_ test_orders _*",
            "GET /orders: 4 queries, budget 1 *",
            "  + 1× read shop_order … shop/views.py:13",
            "  + 3× read shop_customer … shop/views.py:14",
            "  - 1× read shop_order, shop_customer",
            "Mend it, or accept it: pytest --query-budgets=update --query-budgets-raise",
            "GET /orders * 1 * 4 * 3 * 1",
            "Partial (the run did not pass): nothing was lowered, deleted or called untouched.",
            "FAILED tests/test_orders.py::test_orders - Failed: GET /orders: 4 queries, bu*",
        ]
    )
    assert str(result.stdout).count("GET /orders: 4 queries") == 2  # the failure and pytest's summary of it


def test_a_query_that_a_template_makes_names_its_line_and_not_the_test(project):
    project.write(
        ledger='["GET /page"]\nqueries = 1\n',
        tests__test_orders="def test_page(client, make):\n    make(3)\n    client.get('/page')\n",
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["  + 1× read shop_order … orders.html:1", "  + 3× read shop_customer … orders.html:1"])


def test_several_requests_to_one_endpoint_fail_once_with_the_worst(project):
    project.write(
        ledger=LEDGER,
        tests__test_orders="""
def test_orders(client, make):
    client.get("/orders")
    make(2)
    client.get("/orders")
    make(3)
    client.get("/orders")
    client.get("/orders")
""",
    )
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["GET /orders: 6 queries, budget 1 *"])
    result.stdout.no_fnmatch_line("GET /orders: 3 queries*")


def test_an_endpoint_without_a_budget_fails(project):
    project.write(ledger="")
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "GET /orders: 4 queries, no budget in query-budgets.toml *",
            "  + 1× read shop_order … shop/views.py:13",
            "  + 3× read shop_customer … shop/views.py:14",
            "Give it one: pytest --query-budgets=update",
        ]
    )


def test_a_test_that_fails_by_itself_keeps_its_failure(project):
    project.write(
        ledger=LEDGER,
        tests__test_orders="""
from django.test import TestCase


def test_orders(client, make):
    make(3)
    client.get("/orders")
    assert "my own" == "failure"


class TestOrders(TestCase):
    def test_orders(self):
        from shop.models import Customer, Order
        for name in "ab":
            Order.objects.create(customer=Customer.objects.create(name=name))
        self.client.get("/orders")
        self.fail("my unittest failure")
""",
    )
    result = project.run()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E  *AssertionError: assert 'my own' == 'failure'*",
            "*query budget*",
            "GET /orders: 4 queries, budget 1 *",
            "E  *AssertionError: my unittest failure",
            "*query budget*",
            "GET /orders: 3 queries, budget 1 *",
        ]
    )


def test_fixtures_and_logging_in_do_not_count(project):
    project.write(
        ledger='["GET /me"]\nqueries = 2\n',
        tests__test_orders="""
def test_me(client, make, django_user_model):
    make(5)
    client.force_login(django_user_model.objects.create(username="ada"))
    assert client.get("/me").content == b"ada"
""",
    )
    result = project.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["GET /me * 2 * 2 * 1 * 1", "Unproven*", "  GET /me"])


def test_a_request_after_the_call_fails_the_run(project):
    project.write(
        ledger=LEDGER,
        tests__test_orders="""
import pytest

@pytest.fixture
def late(client, make):
    make(2)
    yield
    client.get("/orders")

def test_late(late):
    pass
""",
    )
    result = project.run()
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["Over budget after the test was over:", "  GET /orders: 3 queries, budget 1 *"])


@pytest.mark.parametrize(
    ("ledger", "line"),
    [
        ('["GET /orders"]\nqueries = "3"\n', """*["GET /orders"[]] queries must be a whole number from 0, not '3'"""),
        ('["GET /orders"]\nquerys = 3\n', '*["GET /orders"[]] needs queries = N'),
        ('["GET /orders"]\nqueries = 3\nshape = []\n', "*knows queries, shapes, known and single, not shape"),
        ('["GET /orders"\n', "*query-budgets.toml: *line 1*"),
    ],
)
def test_a_bad_ledger_is_a_usage_error_of_one_line(project, ledger, line):
    project.write(ledger=ledger)
    result = project.run()
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: query budgets: query-budgets.toml: {line}" if line[0] == "[" else line])
    assert len([text for text in result.stderr.lines if text.strip()]) == 1


def test_a_bad_setting_is_a_usage_error(project):
    (project.path / "pyproject.toml").open("a").write("ledgers = 'x'\n")
    result = project.run("--query-budgets=update")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        [
            "ERROR: query budgets: *[[]tool.querybudget] knows ledger, database, ignore, groups, variants and loops, "
            "not ledgers"
        ]
    )


def test_check_without_a_ledger_is_a_usage_error(project):
    result = project.run("--query-budgets=check")
    assert result.ret == 4
    result.stderr.fnmatch_lines(
        ["ERROR: query budgets: no query-budgets.toml: write it with pytest --query-budgets=update"]
    )


def test_off_means_off(project):
    project.write(
        ledger=LEDGER,
        tests__test_patched="""
from django.core.handlers.base import BaseHandler
from django.db.backends.utils import CursorWrapper

def test_nothing_is_patched(client, make):
    make(3)
    client.get("/orders")
    assert CursorWrapper._execute.__module__ == "django.db.backends.utils"
    assert "fetchone" not in vars(CursorWrapper)
    assert BaseHandler.get_response.__code__.co_filename.endswith("core/handlers/base.py")
""",
    )
    project.run("--query-budgets=off").assert_outcomes(passed=2)
