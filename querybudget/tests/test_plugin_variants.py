"""`[tool.querybudget.variants]`: answers of one endpoint that have budgets of their own."""

import pytest

VARIANTS = """
ignore = ["* /[!o]*", "* /orders/*"]

[tool.querybudget.variants]
"304" = { status = 304 }
hit = { header = "Cache-Status: *; hit*" }
"expand=events" = { query = "expand=*events*" }
"""
VIEW = """
def orders(request):
    wanted = request.GET.get("answer")
    if wanted == "304":
        return HttpResponse(status=304)
    if wanted == "hit":
        return HttpResponse("kept", headers={"cache-status": "shop; hit; ttl=3"})
    rows = list(Order.objects.select_related("customer"))
    if "events" in request.GET.get("expand", ""):
        Order.objects.exists()
    return JsonResponse({"orders": len(rows)}, headers={"Cache-Status": "shop; fwd=miss"})
"""
TESTS = """
import pytest

@pytest.mark.parametrize("query", [
    "", "?expand=lines", "?expand=lines,events", "?expand=lines&expand=events", "?answer=hit", "?answer=304",
    "?answer=304&expand=events",
])
def test_orders(client, make, query):
    make(3)
    client.get(f"/orders{query}")
"""
LEDGER = """\
["GET /orders"]
queries = 1
shapes = [
  "read shop_order, shop_customer",
]

["GET /orders [304]"]
queries = 0
shapes = []

["GET /orders [expand=events]"]
queries = 2
shapes = [
  "read shop_order, shop_customer",
  "read shop_order",
]

["GET /orders [hit]"]
queries = 0
shapes = []
"""


@pytest.fixture
def varied(project):
    with (project.path / "pyproject.toml").open("a") as settings:
        settings.write(VARIANTS)
    with (project.path / "shop/views.py").open("a") as views:
        views.write(VIEW)
    project.write(tests__test_orders=TESTS)
    return project


@pytest.mark.parametrize("processes", ["-n0", "-n2"])
def test_each_variant_has_a_line_of_its_own(varied, processes):
    result = varied.run("--query-budgets=update", processes)
    result.assert_outcomes(passed=7)
    assert varied.ledger.partition("\n\n")[2] == LEDGER
    result = varied.run("--query-budgets-complete", processes)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "GET /orders * 1 * 1 * 3 * 2",
            "GET /orders [[]304[]] * 0 * 0 * 0 * 2",
            "GET /orders [[]expand=events[]] * 2 * 2 * 3 * 2",
            "GET /orders [[]hit[]] * 0 * 0 * 0 * 1",
        ]
    )


def test_a_query_string_that_django_refuses_is_booked_all_the_same(varied):
    varied.write(
        ledger=LEDGER,
        tests__test_orders="""
def test_too_many(client, settings):
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 1
    assert client.get("/orders?a=1&b=2").status_code == 400
    assert client.get("/orders?a=1&b=%ff").status_code == 400
""",
    )
    result = varied.run()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["GET /orders * 1 * 0 * 0 * 1"])


def test_what_no_variant_matches_does_not_profit_from_its_budget(varied):
    varied.write(ledger=LEDGER)
    varied.edit("shop/views.py", 'if "events" in', 'if "e" in')
    result = varied.run("-k", "not events and not answer")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["GET /orders: 2 queries, budget 1 *"])


def test_a_variant_over_its_budget_is_named(varied):
    varied.write(ledger=LEDGER)
    varied.edit(
        "shop/views.py", 'return HttpResponse("kept"', 'Order.objects.exists()\n        return HttpResponse("kept"'
    )
    result = varied.run()
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(
        ["GET /orders [[]hit[]]: 1 query, budget 0 *", "  + 1× read shop_order … shop/views.py:*"]
    )


def test_a_variant_that_no_test_shows_is_untouched_but_its_route_is_not(varied):
    varied.write(ledger=LEDGER, tests__test_orders=TESTS.replace('"?answer=hit", ', ""))
    result = varied.run("--query-budgets-complete")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["In the ledger, touched by no test:", "  GET /orders [[]hit[]]"])
    result.stdout.no_fnmatch_line("Routes that no test touched:")


def test_an_update_deletes_a_variant_that_is_none_any_more(varied):
    varied.write(ledger=LEDGER, tests__test_orders=TESTS.replace('"?answer=304", ', "").replace('"?answer=hit", ', ""))
    varied.edit("pyproject.toml", '"304" = { status = 304 }\n', "")
    result = varied.run("--query-budgets=update")
    result.stdout.fnmatch_lines(["Deleted: no test and no route:", "  GET /orders [[]304[]]"])
    assert "[hit]" in varied.ledger
    assert "[304]" not in varied.ledger


@pytest.mark.parametrize("pattern", ["GET /orders", "GET /*", "GET /orders [hit]"])
def test_a_tests_own_budget_for_an_endpoint_is_one_for_its_variants(varied, pattern):
    varied.write(
        ledger=LEDGER.replace("queries = 0", "queries = 3"),
        tests__test_orders=f"""
import pytest

@pytest.mark.query_budget(0, "{pattern}")
def test_hit(client, make):
    client.get("/orders?answer=hit")
""",
    )
    varied.run().assert_outcomes(passed=1)
    varied.edit(
        "shop/views.py", 'return HttpResponse("kept"', 'Order.objects.exists()\n        return HttpResponse("kept"'
    )
    varied.run().assert_outcomes(failed=1)


@pytest.mark.parametrize(
    ("variant", "line"),
    [
        ("{}", "variants.hit must be a table of status, header or query, not {}"),
        ("{ code = 304 }", "variants.hit must be a table of status, header or query, not {'code': 304}"),
        ("{ status = '304' }", "variants.hit.status must be like 304, not '304'"),
        (
            "{ header = 'Cache-Status' }",
            "variants.hit.header must be like 'Cache-Status: [*]hit[*]', not 'Cache-Status'",
        ),
        ("{ query = 1 }", "variants.hit.query must be like 'expand=[*]', not 1"),
    ],
)
def test_a_bad_variant_is_a_usage_error(project, variant, line):
    with (project.path / "pyproject.toml").open("a") as settings:
        settings.write(f"[tool.querybudget.variants]\nhit = {variant}\n")
    result = project.run("--query-budgets=update")
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: query budgets: *[[]tool.querybudget] {line}"])
