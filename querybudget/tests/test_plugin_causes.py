"""An N+1 fails a test by its cause: within the budget, and with one row."""

import pytest

LEDGER = '["GET /orders"]\nqueries = 8\n'
ONE_ROW = "def test_orders(client, make):\n    make(1)\n    client.get('/orders')\n"


@pytest.fixture
def strict(project):
    project.edit("pyproject.toml", 'loops = "report"', 'loops = "fail"')
    project.write(ledger=LEDGER, tests__test_orders=ONE_ROW)
    return project


def test_an_n_plus_one_fails_with_one_row_and_within_the_budget(strict):
    result = strict.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "GET /orders: 2 queries, budget 8, but 1 for each row      tests/test_orders.py::test_orders",
            "",
            " 1×  customer of each order  shop/views.py:14",
            '     → .select_related("customer")',
            "",
            "With this change: 2 → 1 queries, same bytes (measured).",
            "Mend it, or tolerate it: known, in the ledger",
            "Budget: query-budgets.toml:1",
        ],
        consecutive=True,
    )


def test_mended_it_passes(strict):
    strict.fix()
    strict.run().assert_outcomes(passed=1)


def test_what_the_ledger_knows_is_tolerated(strict):
    strict.write(ledger='["GET /orders"]\nqueries = 1\nknown = [{ shape = "read shop_customer", per_row = 1.0 }]\n')
    strict.run().assert_outcomes(passed=1)


def test_a_marker_lets_one_test_be(strict):
    marked = "import pytest\n\n@pytest.mark.query_budget(None)\n" + ONE_ROW
    strict.write(tests__test_orders=marked)
    strict.run().assert_outcomes(passed=1)


def test_a_project_may_have_them_reported_only(project):
    project.write(ledger=LEDGER, tests__test_orders=ONE_ROW)
    result = project.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        ["Queries for each row (N+1):", "  GET /orders: customer of each order … shop/views.py:14"]
    )


def test_the_terminal_sees_colours_and_ci_does_not(strict):
    assert "\x1b[1;31m1×\x1b[0m" in str(strict.run("--color=yes").stdout)
    assert "\x1b[" not in str(strict.run("--color=no").stdout)


def test_a_loop_that_the_test_client_does_not_repeat_is_not_called_proven(strict):
    strict.edit(
        "shop/views.py",
        "def orders(request):\n",
        "def orders(request, calls=[]):\n"
        "    calls.append(1)\n"
        "    if len(calls) > 1:\n"
        "        return JsonResponse({})\n",
    )
    result = strict.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["Not proven: made again, the request makes 0 queries instead of 2."])


def test_a_request_is_made_again_without_what_was_found_out_for_it(strict):
    strict.edit(
        "shop/views.py",
        "def orders(request):\n",
        "def orders(request):\n"
        "    if 'shop.count' not in request.META:\n"
        "        request.META['shop.count'] = Order.objects.count()\n",
    )
    strict.run().stdout.fnmatch_lines(["With this change: 3 → 2 queries, same bytes (measured)."])


def test_what_the_process_remembers_by_then_is_no_reason_to_prove_nothing(strict):
    strict.edit(
        "shop/views.py",
        "def orders(request):\n",
        "def orders(request, count=[]):\n    if not count:\n        count.append(Order.objects.count())\n",
    )
    strict.run().stdout.fnmatch_lines(
        [
            "GET /orders: 3 queries, budget 8, but 1 for each row *",
            "Made again, the request makes 2 queries instead of 3.",
            "With this change: 2 → 1 queries, same bytes (measured).",
        ]
    )


def test_a_stream_that_the_test_read_to_its_end_is_proven(strict):
    strict.write(
        ledger='["GET /stream/"]\nqueries = 8\n',
        tests__test_orders="def test_stream(client, make):\n    make(1)\n    b''.join(client.get('/stream/'))\n",
    )
    strict.run().stdout.fnmatch_lines(["With this change: 2 → 1 queries, same bytes (measured)."])


def test_a_stream_that_the_test_left_is_not_made_again(strict):
    strict.write(
        ledger='["GET /stream/"]\nqueries = 8\n',
        tests__test_orders="def test_stream(client, make):\n    make(3)\n    next(iter(client.get('/stream/')))\n",
    )
    result = strict.run()
    result.assert_outcomes(failed=1)
    result.stdout.no_fnmatch_line("*measured*")


def test_code_may_say_what_it_knows_of_its_queries(strict):
    strict.edit("shop/views.py", "def orders(request):\n", "def orders(request):\n    note('rows are rendered here')\n")
    strict.edit(
        "shop/views.py",
        "from shop.models import Order\n",
        "from querybudget import note\nfrom shop.models import Order\n",
    )
    strict.run().stdout.fnmatch_lines(
        ['     → .select_related("customer")', "", "rows are rendered here", "", "With this change: 2 → 1 *"],
        consecutive=True,
    )
