"""`database = "postgresql"`: on another one nobody is held to a budget, and that is said."""

import logging

import pytest
from django.test import Client

from querybudget.errors import UsageError
from querybudget.options import read_options
from querybudget.tests.test_runner import manage  # noqa: F401 a fixture

LEDGER = '["GET /orders"]\nqueries = 1\n'
REASON = "budgets are what oracle needs, and this process uses sqlite"


@pytest.fixture
def elsewhere(project):
    """The project with a loop and a budget that it breaks, for a database that it does not run on."""
    project.write(ledger=LEDGER)
    project.edit("pyproject.toml", 'loops = "report"', 'database = "oracle"')
    return project


@pytest.mark.parametrize("options", [(), ("-n1",)], ids=["one process", "workers"])
def test_tests_pass_and_the_end_of_the_run_says_why(elsewhere, options):
    result = elsewhere.run(*options)
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*= query budgets =*", f"Nothing was held: {REASON}."])


def test_such_a_run_proves_nothing(elsewhere):
    result = elsewhere.run("--query-budgets-complete")
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"Nothing was held: {REASON}."])


def test_an_update_is_refused_and_loses_nothing(elsewhere):
    result = elsewhere.run("--query-budgets=update")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*query budgets: nothing is updated: {REASON}*"])
    assert elsewhere.ledger == LEDGER


def test_on_its_own_database_everybody_is_held(elsewhere):
    elsewhere.edit("pyproject.toml", "oracle", "sqlite")
    result = elsewhere.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["GET /orders: 4 queries, budget 1 *"])


def test_without_pytest_it_is_the_same(elsewhere, manage):  # noqa: F811
    passed = manage()
    assert passed.returncode == 0
    assert f"query budgets: nothing is held: {REASON}" in passed.stdout + passed.stderr
    refused = manage("--query-budgets=update")
    assert refused.returncode == 4
    assert f"CommandError: query budgets: nothing is updated: {REASON}" in refused.stderr
    assert elsewhere.ledger == LEDGER


@pytest.mark.parametrize("value", ['"postgres"', "5", '["postgresql"]'])
def test_a_vendor_that_django_does_not_know_is_named(tmp_path, value):
    (tmp_path / "pyproject.toml").write_text(f"[tool.querybudget]\ndatabase = {value}\n")
    with pytest.raises(UsageError, match=r"database must be one of postgresql, mysql, oracle, sqlite, not"):
        read_options(tmp_path)


# --- In production


@pytest.mark.usefixtures("unhooked")
def test_a_request_over_its_budget_is_no_warning(measured, site_folder, caplog):
    options = site_folder / "pyproject.toml"
    options.write_text(options.read_text().replace("[tool.querybudget]", '[tool.querybudget]\ndatabase = "oracle"'))
    with caplog.at_level(logging.WARNING):
        assert Client().get("/looping").status_code == 200
    assert caplog.records == []
    assert measured == [("GET /looping", 3)]
