"""`--query-budgets=update`: what is written, what only a complete run writes, what needs a flag."""

import pytest

ORDERS = """\
["GET /orders"]
queries = 4
shapes = [
  "read shop_order",
  "read shop_customer ×3",
]
"""
TWO_TESTS = """
def test_two(client, make):
    make(2)
    client.get("/orders")

def test_three(client, make):
    make(3)
    client.get("/orders")
"""


def test_new_endpoints_are_written_with_their_shapes(project):
    result = project.run("--query-budgets=update")
    result.assert_outcomes(passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["New budgets:", "  GET /orders: 4"])
    assert project.ledger == (
        "# Query budgets: for each endpoint, how many queries one request may make.\n"
        "# Written by `pytest --query-budgets=update`; read its changes like code.\n\n" + ORDERS
    )
    project.run().assert_outcomes(passed=1)


def test_a_complete_run_lowers_and_keeps_comments(project):
    project.write(ledger="# ours\n\n# why four\n" + ORDERS.replace("= 4", "= 4  # for now"))
    project.fix()
    result = project.run("--query-budgets=update")
    result.stdout.fnmatch_lines(["Lowered budgets:", "  GET /orders: 4 → 1"])
    assert project.ledger == (
        '# ours\n\n# why four\n["GET /orders"]\nqueries = 1  # for now\nshapes = [\n'
        '  "read shop_order, shop_customer",\n]\n'
    )


@pytest.mark.parametrize(
    "arguments",
    [("-k", "two"), ("-m", "not dear"), ("tests/test_orders.py::test_two",), ("--lf",)],
    ids=["k", "m", "one test", "last failed"],
)
def test_a_partial_run_lowers_and_deletes_nothing(project, arguments):
    text = ORDERS + '\n["GET /gone"]\nqueries = 1\n'
    project.write(
        ledger=text,
        tests__test_orders="import pytest\n" + TWO_TESTS.replace("def test_three", "@pytest.mark.dear\ndef test_three"),
    )
    if arguments == ("--lf",):
        project.write(tests__test_failing="def test_failing():\n    assert False\n")
        project.run("--query-budgets=off")
        project.write(tests__test_failing="def test_failing():\n    assert True\n")
    result = project.run("--query-budgets=update", *arguments)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["Partial (*): nothing was lowered, deleted or called untouched."])
    assert ORDERS in project.ledger
    assert "GET /gone" in project.ledger


def test_one_file_is_a_partial_run_and_the_folder_of_all_tests_is_not(project):
    project.fix()
    project.write(ledger=ORDERS, tests__test_other="def test_other():\n    pass\n")
    project.run("--query-budgets=update", "tests/test_orders.py")
    assert "queries = 4" in project.ledger
    project.run("--query-budgets=update", "tests")
    assert "queries = 1" in project.ledger


@pytest.mark.parametrize("arguments", [(), ("-x",)], ids=["failed", "aborted"])
def test_a_failed_run_lowers_and_deletes_nothing(project, arguments):
    project.fix()
    project.write(
        ledger=ORDERS + '\n["GET /gone"]\nqueries = 1\n', tests__test_failing="def test_failing():\n    assert False\n"
    )
    result = project.run("--query-budgets=update", *arguments)
    assert result.ret == 1
    assert ORDERS in project.ledger
    assert "GET /gone" in project.ledger


def test_a_complete_run_deletes_what_has_no_test_and_no_route(project):
    project.write(ledger=ORDERS + '\n["GET /gone"]\nqueries = 1\n\n["GET /me"]\nqueries = 2\n')
    result = project.run("--query-budgets=update")
    result.stdout.fnmatch_lines(
        ["Deleted: no test and no route:", "  GET /gone", "In the ledger, touched by no test:", "  GET /me"]
    )
    assert "GET /gone" not in project.ledger
    assert "GET /me" in project.ledger


def test_only_the_flag_raises_a_budget(project):
    project.write(ledger=ORDERS.replace("= 4", "= 2"))
    result = project.run("--query-budgets=update")
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        ["Over budget, kept as it is (raise it with --query-budgets-raise):", "  GET /orders: 2 → 4"]
    )
    assert "queries = 2" in project.ledger
    result = project.run("--query-budgets=update", "--query-budgets-raise")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["Raised budgets:", "  GET /orders: 2 → 4"])
    assert project.ledger.endswith(ORDERS)


def test_the_ledger_is_the_same_in_any_order(project):
    project.write(
        tests__test_orders=TWO_TESTS
        + """
def test_detail(client, make):
    make(1)
    client.get("/orders/1")

def test_missing(client, make):
    client.post("/orders/1")
"""
    )
    ledgers = set()
    for seed in ("1", "2", "3"):
        result = project.run("--query-budgets=update", "-ppytest_randomly", f"--randomly-seed={seed}")
        assert result.ret == 0
        ledgers.add(project.ledger)
        (project.path / "query-budgets.toml").unlink()
    assert len(ledgers) == 1


def test_ignored_and_grouped_endpoints(project):
    with (project.path / "pyproject.toml").open("a") as settings:
        settings.write(
            'ledger = "budgets/all.toml"\nignore = ["* /me"]\n'
            '[tool.querybudget.groups]\n"GET orders" = ["GET /orders*"]\n"unrouted" = ["* (no route)"]\n'
        )
    (project.path / "budgets").mkdir()
    project.write(
        tests__test_orders="""
def test_orders(client, make):
    make(2)
    client.get("/orders")
    client.get("/orders/1")
    client.get("/me")
    assert client.delete("/nowhere").status_code == 404
    assert client.delete("/orders/1").status_code == 405
"""
    )
    result = project.run("--query-budgets=update")
    assert result.ret == 0
    text = (project.path / "budgets/all.toml").read_text()
    assert [line for line in text.splitlines() if line.startswith("[")] == ['["unrouted"]', '["GET orders"]']
    result.stdout.no_fnmatch_line("  [*] /orders")
    result.stdout.no_fnmatch_line("  GET /me")
