"""Every way in which a test can make a request, and every kind of test."""

import pytest

SETUP = """
import pytest
from django.test import AsyncClient, RequestFactory, TestCase, TransactionTestCase
from shop.models import Customer, Order


def make(number):
    for index in range(number):
        Order.objects.create(customer=Customer.objects.create(name=f"c{index}"))


@pytest.fixture
def three(db):
    make(3)

"""
WAYS = {
    "client": ("GET /orders", "def test(client, three):\n    client.get('/orders')\n"),
    "head is get": ("GET /orders", "def test(client, three):\n    client.head('/orders')\n"),
    "drf client": (
        "GET /api",
        "def test(three):\n    from rest_framework.test import APIClient\n    APIClient().get('/api')\n",
    ),
    "drf factory and view": (
        "GET /api",
        "def test(three):\n    from rest_framework.test import APIRequestFactory\n    from shop.views import OrderAPI\n"
        "    OrderAPI.as_view()(APIRequestFactory().get('/'))\n",
    ),
    "factory and template view": (
        "GET /page",
        "def test(three):\n    from shop.views import OrderPage\n"
        "    response = OrderPage.as_view()(RequestFactory().get('/page'))\n    response.render()\n",
    ),
    "stream consumed": ("GET /stream/", "def test(client, three):\n    b''.join(client.get('/stream/'))\n"),
    "stream half consumed": (
        "GET /stream/",
        "def test(client, three):\n    body = iter(client.get('/stream/'))\n    next(body), next(body), next(body)\n",
    ),
    "async view, sync client": ("GET /async", "def test(client, three):\n    client.get('/async')\n"),
    "async client": (
        "GET /async",
        "class Test(TransactionTestCase):\n    async def test(self):\n"
        "        from asgiref.sync import sync_to_async\n        await sync_to_async(make)(3)\n"
        "        await AsyncClient().get('/async')\n",
    ),
    "async client, sync view": (
        "GET /orders",
        "class Test(TestCase):\n    async def test(self):\n"
        "        from asgiref.sync import sync_to_async\n        await sync_to_async(make)(3)\n"
        "        await AsyncClient().get('/orders')\n",
    ),
    "live server": (
        "GET /orders",
        "@pytest.mark.django_db(transaction=True)\ndef test(live_server):\n    from urllib.request import urlopen\n"
        "    make(3)\n    urlopen(live_server.url + '/orders').read()\n",
    ),
    "live server, stream": (
        "GET /stream/",
        "@pytest.mark.django_db(transaction=True)\ndef test(live_server):\n    from urllib.request import urlopen\n"
        "    make(3)\n    urlopen(live_server.url + '/stream/').read()\n",
    ),
    "unittest": (
        "GET /orders",
        "class Test(TestCase):\n    def test(self):\n        make(3)\n        self.client.get('/orders')\n",
    ),
    "unittest with set-up": (
        "GET /orders",
        "class Test(TestCase):\n    def setUp(self):\n        make(3)\n"
        "        self.answer = self.client.get('/orders')\n"
        "    def test(self):\n        assert self.answer.status_code == 200\n",
    ),
    "transaction test case": (
        "GET /orders",
        "class Test(TransactionTestCase):\n    def test(self):\n        make(3)\n        self.client.get('/orders')\n",
    ),
    "parametrised": (
        "GET /orders",
        "@pytest.mark.parametrize('path', ['/orders'])\ndef test(client, three, path):\n    client.get(path)\n",
    ),
    "view that raises": (
        "GET /orders",
        "def test(client, three, monkeypatch):\n    from shop import views\n    plain = views.names\n"
        "    def names():\n        plain()\n        raise ValueError('no')\n"
        "    monkeypatch.setattr(views, 'names', names)\n"
        "    with pytest.raises(ValueError):\n        client.get('/orders')\n",
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_loop_is_seen_through(way, project):
    endpoint, test = WAYS[way]
    project.write(ledger=f'["{endpoint}"]\nqueries = 1\n', tests__test_orders=SETUP + test)
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            f"{endpoint.replace('[', '[[]')}: * queries, budget 1 *",
            "  + 1× read shop_order … *shop/views.py:*" if "page" not in endpoint else "  + 1× read shop_order … *",
            "  + *× read shop_customer … *",
        ]
    )


def test_a_test_module_runs_twice_on_a_reused_database(project):
    project.fix()
    project.write(ledger='["GET /orders"]\nqueries = 1\n')
    project.run("--reuse-db").assert_outcomes(passed=1)
    project.run("--reuse-db").assert_outcomes(passed=1)


def test_a_marker_gives_one_test_its_own_budget(project):
    project.write(
        ledger='["GET /orders"]\nqueries = 1\n',
        tests__test_orders=SETUP
        + """
@pytest.mark.query_budget(4, reason="the fallback without a join")
def test_enough(client, three):
    client.get("/orders")

@pytest.mark.query_budget(3, "GET /orders")
def test_too_few(client, three):
    client.get("/orders")

@pytest.mark.query_budget(None)
def test_unlimited(client, three):
    client.get("/orders")

@pytest.mark.query_budget(9, "GET /other")
def test_of_another_endpoint(client, three):
    client.get("/orders")
""",
    )
    result = project.run("--strict-markers")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ test_too_few _*",
            "GET /orders: 4 queries, this test's own budget is 3 *",
            "*_ test_of_another_endpoint _*",
            "GET /orders: 4 queries, budget 1 *",
        ]
    )


def test_a_marker_that_says_nothing_is_an_error(project):
    project.write(
        ledger='["GET /orders"]\nqueries = 4\n',
        tests__test_orders="import pytest\n@pytest.mark.query_budget()\ndef test():\n    pass\n",
    )
    result = project.run()
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["@pytest.mark.query_budget(queries, endpoint='[*]', reason=''): *'queries'"])


KNOWN = """\
["GET /orders"]
queries = 1
known = [{ shape = "read shop_customer", per_row = 1.0 }]
"""


def test_a_known_loop_is_tolerated_at_any_size_but_may_not_grow_steeper(project):
    project.write(ledger=KNOWN, tests__test_orders=SETUP + "def test(client, three):\n    client.get('/orders')\n")
    project.run().assert_outcomes(passed=1)
    again = "found.append(type(order.customer).objects.get(pk=order.customer_id))"
    project.edit("shop/views.py", "return found", f"    {again}\n    return [str(name) for name in found]")
    result = project.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "GET /orders: a known N+1 grew steeper: 6× read shop_customer, 1 per row allow 3 *",
            "  + 3× read shop_customer … shop/views.py:1[45] and 1 more",
        ]
    )


def test_an_update_leaves_known_shapes_out(project):
    project.write(ledger=KNOWN)
    assert project.run("--query-budgets=update").ret == 0
    assert project.ledger.endswith(
        '["GET /orders"]\nqueries = 1\nknown = [{ shape = "read shop_customer", per_row = 1.0 }]\n'
        'shapes = [\n  "read shop_order",\n]\n'
    )
