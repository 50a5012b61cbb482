"""pytest-xdist: the workers measure and fail tests, the controller alone writes and reports."""

MANY = """
import pytest

@pytest.mark.parametrize("number", [1, 2, 3, 4, 5])
def test_orders(client, make, number):
    make(number)
    client.get("/orders")

def test_me(client, db):
    client.get("/me")
"""


def test_an_update_is_the_same_as_in_one_process(project):
    project.write(tests__test_orders=MANY)
    assert project.run("--query-budgets=update").ret == 0
    alone = project.ledger
    (project.path / "query-budgets.toml").unlink()
    result = project.run("--query-budgets=update", "-n2")
    result.assert_outcomes(passed=6)
    result.stdout.fnmatch_lines(
        [
            "GET /me * 0 * 0 * 0 * 1",
            "GET /orders * 6 * 6 * 5 * +1.0/row * 5",
            "New budgets:",
            "  GET /me: 0",
            "  GET /orders: 6",
            "Queries grow with rows:",
            "  GET /orders: +1.0 queries per row",
            "    2 queries, 1 rows in tests/test_orders.py::test_orders[[]1[]]",
            "    6 queries, 5 rows in tests/test_orders.py::test_orders[[]5[]]",
        ]
    )
    assert project.ledger == alone


def test_a_check_fails_the_test_that_broke_the_budget(project):
    project.write(tests__test_orders=MANY, ledger='["GET /orders"]\nqueries = 4\n\n["GET /me"]\nqueries = 0\n')
    result = project.run("-n2")
    result.assert_outcomes(passed=4, failed=2)
    result.stdout.fnmatch_lines_random(
        [
            "GET /orders: 5 queries, budget 4 *",
            "GET /orders: 6 queries, budget 4 *",
            "FAILED tests/test_orders.py::test_orders[[]4[]] *",
            "FAILED tests/test_orders.py::test_orders[[]5[]] *",
        ]
    )
    assert result.ret == 1


def test_a_complete_parallel_run_lowers_and_a_partial_one_does_not(project):
    project.write(tests__test_orders=MANY, ledger='["GET /orders"]\nqueries = 9\n')
    assert project.run("--query-budgets=update", "-n2", "-k", "test_me").ret == 0
    assert "queries = 9" in project.ledger
    assert project.run("--query-budgets=update", "-n2").ret == 0
    assert "queries = 6" in project.ledger


def test_a_lost_worker_lowers_nothing(project):
    project.write(
        tests__test_orders=MANY + "\ndef test_crash():\n    import os\n    os._exit(1)\n",
        ledger='["GET /orders"]\nqueries = 9\n',
    )
    result = project.run("--query-budgets=update", "-n2", "--max-worker-restart=0")
    assert result.ret != 0
    assert "queries = 9" in project.ledger


def test_a_violation_after_the_call_fails_the_run(project):
    project.write(
        ledger='["GET /orders"]\nqueries = 1\n',
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
    result = project.run("-n2")
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["Over budget after the test was over:", "  GET /orders: 3 queries, budget 1 *"])


def test_a_bad_ledger_is_one_usage_error(project):
    project.write(ledger="nonsense\n")
    result = project.run("-n2")
    assert result.ret == 4
    assert len([line for line in result.stderr.lines if line.strip()]) == 1
