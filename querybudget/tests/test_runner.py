"""`TEST_RUNNER = "querybudget.runner.BudgetDiscoverRunner"`, without pytest."""

import subprocess
import sys

import pytest

TESTS = """
from django.test import TestCase
from shop.models import Customer, Order


class OrderTests(TestCase):
    def test_orders(self):
        for name in "abc":
            Order.objects.create(customer=Customer.objects.create(name=name))
        self.client.get("/orders")
"""


@pytest.fixture
def manage(project):
    project.edit("settings.py", "USE_TZ", 'TEST_RUNNER = "querybudget.runner.BudgetDiscoverRunner"\nUSE_TZ')
    project.write(tests__test_orders=TESTS)
    (project.path / "tests" / "__init__.py").touch()

    def manage(*arguments):
        command = [sys.executable, "manage.py", "test", *arguments]
        return subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=False)

    return manage


def test_update_then_check_then_a_loop_fails(project, manage):
    project.fix()
    written = manage("--query-budgets=update")
    assert written.returncode == 0, written.stderr
    assert 'queries = 1\nshapes = [\n  "read shop_order, shop_customer",\n]' in project.ledger
    assert manage().returncode == 0
    project.edit("shop/views.py", '.select_related("customer")', ".all()")
    failed = manage()
    assert failed.returncode == 1
    assert "FAILED (failures=1)" in failed.stderr
    assert "AssertionError: GET /orders: 4 queries, budget 1 " in failed.stderr
    assert "  + 3× read shop_customer … shop/views.py:14" in failed.stderr


def test_labels_make_a_partial_run(project, manage):
    project.write(ledger='["GET /orders"]\nqueries = 9\n')
    assert manage("--query-budgets=update", "tests.test_orders").returncode == 0
    assert "queries = 9" in project.ledger
    assert manage("--query-budgets=update").returncode == 0
    assert "queries = 4" in project.ledger


def test_a_bad_ledger_is_one_line_and_code_4(project, manage):
    project.write(ledger="nonsense\n")
    result = manage()
    assert result.returncode == 4
    assert result.stderr.startswith("CommandError: query budgets: query-budgets.toml: ")
    assert len(result.stderr.strip().splitlines()) == 1


def test_check_without_a_ledger_is_one_line_and_code_4(manage):
    assert manage().returncode == 0
    result = manage("--query-budgets=check")
    assert result.returncode == 4
    assert "no query-budgets.toml: write it with manage.py test --query-budgets=update" in result.stderr


def test_parallel_is_refused(project, manage):
    project.write(ledger='["GET /orders"]\nqueries = 4\n')
    result = manage("--parallel=2")
    assert result.returncode == 1
    assert "not with --parallel" in result.stderr
