"""What is said at the end of a run."""

LEDGER = """\
["GET /me"]
queries = 2
single = true

["GET /orders"]
queries = 8

["GET /orders/{pk}"]
queries = 1
"""
TESTS = """
def test_one(client, make):
    make(1)
    client.get("/orders")

def test_four(client, make):
    make(4)
    client.get("/orders")

def test_detail(client, make):
    make(1)
    client.get("/orders/1")

def test_me(client, make, django_user_model):
    client.force_login(django_user_model.objects.create(username="ada"))
    client.get("/me")
"""


def test_the_table_and_the_lists(project):
    project.write(ledger=LEDGER + '\n["GET /gone"]\nqueries = 1\n', tests__test_orders=TESTS)
    result = project.run()
    result.assert_outcomes(passed=4)
    assert result.ret == 0
    lines = result.stdout.lines
    start = next(number for number, line in enumerate(lines) if "= query budgets =" in line)
    assert [line.split() for line in lines[start + 2 : start + 10]] == [
        ["endpoint", "budget", "worst", "rows", "growth", "tests"],
        [lines[start + 3].strip()],
        ["GET", "/me", "2", "2", "1", "1"],
        ["GET", "/orders", "8", "5", "4", "+1.0/row", "2"],
        ["GET", "/orders/{pk}", "1", "1", "1", "1"],
        ["Queries", "for", "each", "row", "(N+1):"],
        ["GET", "/orders:", "customer", "of", "each", "order", "…", "shop/views.py:14"],
        ["→", '.select_related("customer")'],
    ]
    assert lines[start + 10 : -1] == [
        "Queries grow with rows:",
        "  GET /orders: +1.0 queries per row",
        "    2 queries, 1 rows in tests/test_orders.py::test_one",
        "    5 queries, 4 rows in tests/test_orders.py::test_four",
        "Budgets that can be tightened (pytest --query-budgets=update):",
        "  GET /orders: 8 → 5",
        "Unproven: every test read fewer than two rows, and one row hides a loop:",
        "  GET /orders/{pk}",
        "In the ledger, touched by no test:",
        "  GET /gone",
        "Routes that no test touched:",
        "  * /async",
        "  * /stream/",
        "  GET /api",
        "  GET /page",
        "  POST /orders/{pk}",
    ]


def test_queries_that_do_not_grow_are_not_called_growth(project):
    project.fix()
    project.write(ledger=LEDGER, tests__test_orders=TESTS)
    project.run().stdout.no_fnmatch_line("*grow with rows*")


def test_complete_fails_a_run_that_leaves_a_route_out(project):
    project.write(ledger='["GET /orders"]\nqueries = 4\n')
    result = project.run("--query-budgets-complete")
    result.assert_outcomes(passed=1)
    assert result.ret == 1
    project.edit("urls.py", 'path("orders/<int:pk>", views.OrderDetail.as_view()),', "")
    for line in ('re_path(r"^stream/$", views.stream),', 'path("async", views.from_async),', 'path("me", views.me),'):
        project.edit("urls.py", line, "")
    project.edit("urls.py", 'path("page", views.OrderPage.as_view()),', "")
    with (project.path / "pyproject.toml").open("a") as settings:
        settings.write('ignore = ["* /api"]\n')
    result = project.run("--query-budgets-complete")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("Routes that no test touched:")
    result.stdout.no_fnmatch_line("Not complete*")


def test_complete_fails_a_run_that_leaves_an_entry_out(project):
    with (project.path / "pyproject.toml").open("a") as settings:
        settings.write('ignore = ["* /[!o]*", "* /orders/*"]\n')
    project.write(ledger='["GET /orders"]\nqueries = 4\n')
    assert project.run("--query-budgets-complete").ret == 0
    project.write(ledger='["GET /orders"]\nqueries = 4\n\n["GET /gone"]\nqueries = 4\n')
    result = project.run("--query-budgets-complete")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["Not complete (--query-budgets-complete): 1 in the ledger without a test."])


def test_complete_fails_a_run_that_leaves_a_budget_unproven(project):
    with (project.path / "pyproject.toml").open("a") as settings:
        settings.write('ignore = ["* /[!o]*", "* /orders/*"]\n')
    project.write(
        ledger='["GET /orders"]\nqueries = 4\n',
        tests__test_orders="def test_orders(client, make):\n    make(1)\n    client.get('/orders')\n",
    )
    result = project.run("--query-budgets-complete")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["Not complete (--query-budgets-complete): 1 unproven."])
    project.write(ledger='["GET /orders"]\nqueries = 4\nsingle = true\n')
    assert project.run("--query-budgets-complete").ret == 0


def test_complete_fails_a_run_that_can_not_know(project):
    project.write(ledger='["GET /orders"]\nqueries = 4\n', tests__test_other="def test_other():\n    pass\n")
    result = project.run("--query-budgets-complete", "-k", "not other")
    result.assert_outcomes(passed=1, deselected=1)
    assert result.ret == 1
    result.stdout.fnmatch_lines(["Not complete (--query-budgets-complete): tests were deselected."])


def test_quiet_leaves_the_table_out(project):
    project.write(ledger='["GET /orders"]\nqueries = 4\n')
    project.run("-q").stdout.no_fnmatch_line("endpoint *")
