"""The story that this package is for: 176 queries, found, explained and brought down to 4 by measuring.

Twenty orders, each with its lines and the person who placed it, that person's address, and, because
somebody once wanted them, all offices of that person with their companies.
"""

import io
import json
import re

import pytest
from django.core.management import CommandError, call_command
from django.test import Client, RequestFactory

from querybudget import proof as proofs
from querybudget import watch
from querybudget.costs import dearest, field_costs
from querybudget.proof import proof
from querybudget.tests.article.data import make
from querybudget.tests.article.story import message_of_a_failing_test

pytestmark = pytest.mark.django_db(databases=["default", "archive"])


@pytest.fixture(autouse=True)
def shop(monkeypatch):
    make()
    monkeypatch.setattr(proofs, "PATIENCE", 600)  # on the busiest machine


def get(path):
    with watch() as seen:
        response = Client().get(path)
    assert response.status_code == 200
    return seen, response.content


def fix(*arguments):
    out = io.StringIO()
    call_command("querybudget", "fix", *arguments, stdout=out, no_color=True)
    return out.getvalue().splitlines()


def test_the_list_makes_176_queries_20_of_them_for_the_address():
    seen, _ = get("/article/orders")
    assert len(seen.counted) == 176
    assert [(finding.count, finding.what, finding.path, finding.advice) for finding in seen.findings] == [
        (
            114,
            "company of each office",
            "OrderSerializer.placed_by.offices.company",
            '.prefetch_related("placed_by__offices__company")',
        ),
        (
            20,
            "addresses of each person",
            "PersonSerializer.get_address",
            'Prefetch("placed_by__addresses", Address.objects.filter(active=True), to_attr="active_addresses")',
        ),
        (20, "offices of each person", "OrderSerializer.placed_by.offices", '.prefetch_related("placed_by__offices")'),
        (20, "lines of each order", "OrderSerializer.lines", '.prefetch_related("lines")'),
    ]


def test_one_field_costs_134_of_the_176():
    seen, body = get("/article/orders")
    cost = dearest(field_costs(seen.counted, body))
    assert (cost.path, cost.queries) == ("placed_by.offices", 134)
    assert 0.8 < cost.share < 0.9


def test_a_failing_test_is_told_what_the_changes_do_and_what_the_field_costs():
    request = RequestFactory().get("/article/orders")
    assert proof(request, 176) == [
        "With these changes: 176 → 6 queries, same bytes (measured).",
        "Dearest fields: placed_by.offices 134 queries, 88 % of the body; without it: 42, and 4 with the changes above",
    ]


def test_the_message_of_the_failing_test():
    said = message_of_a_failing_test().replace("active = ?)", "active)")  # as Django 6 writes it
    said = re.sub(r"(paginator\.py):\d+", r"\1:…", said)
    assert said.splitlines() == MESSAGE.splitlines()


MESSAGE = """\
GET /article/orders: 176 queries, budget 4      tests/test_orders.py::test_list

 114×  company of each office    OrderSerializer.placed_by.offices.company  serializers.py:13
       → .prefetch_related("placed_by__offices__company")
  20×  addresses of each person  PersonSerializer.get_address               serializers.py:29
       SELECT … FROM article_address WHERE (person_id = ? AND active) ORDER BY id ASC LIMIT ?
       → Prefetch("placed_by__addresses", Address.objects.filter(active=True), to_attr="active_addresses")
  20×  offices of each person    OrderSerializer.placed_by.offices          serializers.py:22
       → .prefetch_related("placed_by__offices")
  20×  lines of each order       OrderSerializer.lines                      serializers.py:41
       → .prefetch_related("lines")

  + 1× read article_order … django/core/paginator.py:…
  + 1× read article_order, article_person … django/core/paginator.py:…
  + 20× read article_address … serializers.py:29
  + 20× read article_office, article_person_offices … serializers.py:22
  + 114× read article_company … serializers.py:13
  + 20× read article_line … serializers.py:41

With these changes: 176 → 6 queries, same bytes (measured).
Dearest fields: placed_by.offices 134 queries, 88 % of the body; without it: 42, and 4 with the changes above
Mend it, or accept it: pytest --query-budgets=update --query-budgets-raise
Budget: query-budgets.toml:1
"""


def test_fix_climbs_down_to_6():
    assert fix("GET /article/orders") == [
        "GET /article/orders: 176 queries, 18,078 bytes",
        '  176 → 44  .prefetch_related("placed_by__offices__company")',
        '  44 → 25  Prefetch("placed_by__addresses", Address.objects.filter(active=True), to_attr="active_addresses")',
        '  25 → 6  .prefetch_related("lines")',
        "176 → 44 → 25 → 6 queries: the smallest set found, same status and bytes (measured).",
        "Dearest fields: placed_by.offices 134 queries, 88 % of the body; try --without placed_by.offices",
    ]


def test_without_the_field_it_is_42_and_fix_climbs_down_to_4():
    lines = fix("GET /article/orders", "--without", "placed_by.offices")
    assert lines[1].startswith("without placed_by.offices: 176 → 42 queries, ")
    assert lines[2:] == [
        '  42 → 23  Prefetch("placed_by__addresses", Address.objects.filter(active=True), to_attr="active_addresses")',
        '  23 → 4  .prefetch_related("lines")',
        "42 → 23 → 4 queries: the smallest set found, same status and bytes (measured).",
    ]


def test_the_other_endpoint_goes_from_511_to_4():
    seen, _ = get("/article/offices")
    assert len(seen.counted) == 511
    assert fix("GET /article/offices")[-2:] == [
        "511 → 342 → 173 → 4 queries: the smallest set found, same status and bytes (measured).",
        "Dearest fields: people 170 queries, 22 % of the body; try --without people",
    ]


def test_nothing_is_changed_by_trying():
    fix("GET /article/orders")
    seen, _ = get("/article/orders")
    assert len(seen.counted) == 176


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/article/orders"], "an endpoint is a method and a path"),
        (["GET /nowhere"], "no route for /nowhere"),
        (["POST /article/orders"], "POST /article/orders answered 405"),
        (["GET /article/orders", "--as", "nobody"], "no user 'nobody'"),
        (["GET /article/orders", "--header", "Accept"], "a header is like"),
        (["GET /article/orders", "--without", "placed_by.shoes"], "the answer has no field placed_by.shoes"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_line(arguments, message):
    with pytest.raises(CommandError) as error:
        call_command("querybudget", "fix", *arguments)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)
    assert error.value.returncode == 2


def audit(*arguments):
    out = io.StringIO()
    with pytest.raises(SystemExit) as finished:
        call_command("querybudget", "audit", *arguments, stdout=out, no_color=True)
    assert finished.value.code == 1
    return out.getvalue()


def test_an_audit_lists_every_endpoint_with_its_findings():
    lines = audit("GET /article/orders", "GET /article/offices").splitlines()
    assert lines[0] == "GET /article/orders: 176 queries, status 200, 18,078 bytes"
    assert '       → .prefetch_related("rooms")' in lines
    assert "Fetched, and read by none of these requests:" in lines
    assert any("was never read" in line and "columns of Office" in line for line in lines)


def test_an_audit_as_json_says_what_each_field_costs():
    [endpoint] = json.loads(audit("GET /article/orders", "--json"))["endpoints"]
    assert (endpoint["status"], endpoint["queries"]) == (200, 176)
    assert [finding["count"] for finding in endpoint["findings"] if finding["kind"] == "n_plus_one"] == [
        114,
        20,
        20,
        20,
    ]
    assert {field["path"]: field["queries"] for field in endpoint["fields"]}["placed_by.offices"] == 134
    assert [statement["count"] for statement in endpoint["statements"]] == [1, 1, 20, 20, 114, 20]
    assert {call["parameters"] for statement in endpoint["statements"] for call in statement["calls"]} == {None}
