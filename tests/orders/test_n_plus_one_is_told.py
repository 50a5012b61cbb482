"""However somebody writes an N+1 into `OrderSerializer`, what fails the test says the field, the line and the fix.

A run of its own asks for what `n_plus_ones` writes; the requests are answered, and querybudget's message is what is
read. What it advises has been tried out.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
WAYS = "tests/orders/n_plus_ones.py"
MESSAGE = re.compile(
    r"^(GET [^\n]*)      \S*n_plus_ones\.py::(\S+)\n(.*?)^Budget: query-budgets", re.MULTILINE | re.DOTALL
)


class Told(NamedTuple):
    """What a message says: how often, of what, on a line with which code, what to write, and what that does."""

    finding: str
    path: str
    code: str
    advice: str
    proof: str


ANOTHER = "Not proven: 1 finding wants another change of the code."
COUNT = '.annotate(events_count=Count("events"))'
ACTIVE = 'Prefetch("placed_by__addresses", Address.objects.filter(active=True), to_attr="active_addresses")'
SECOND_TIME = "Made again, the request makes 6 queries instead of 7.\n"


def measured(before: int, after: int) -> str:
    return f"With this change: {before} → {after} queries, same bytes (measured)."


TOLD = {
    "a_method_that_filters_a_relation": Told(
        "3×  addresses of each user", "OrderSerializer.get_ships_to", "filter(active=True)", ACTIVE, measured(6, 4)
    ),
    "a_method_that_counts": Told(
        "3×  count() of events of each order", "OrderSerializer.get_changes", "events.count()", COUNT, measured(6, 3)
    ),
    "a_method_that_loops": Told(
        "3×  events of each order",
        "OrderSerializer.get_kinds",
        "for event in",
        '.prefetch_related("events")',
        measured(6, 4),
    ),
    "a_method_that_looks_something_up": Told(
        "3×  identical: businesses_company for each row",
        "OrderSerializer.get_owner",
        "Company.objects.get",
        '.select_related("company"), and read .company of the row',
        ANOTHER,
    ),
    "a_property": Told(
        "3×  count() of memberships of each user",
        "OrderSerializer.seen",
        "user.memberships.count()",
        '.prefetch_related("placed_by__memberships")',
        measured(6, 4),
    ),
    "a_method_that_needs_more_columns_than_it_says": Told(
        "3×  request digest of each order",
        "OrderSerializer.get_state",
        "order.request_digest",
        '.only(…, "request_digest"), or no .defer("request_digest")',
        SECOND_TIME + measured(6, 3),
    ),
    "a_method_that_needs_a_relation_and_says_a_column": Told(
        "3×  identical: slug of each company",
        "OrderSerializer.get_state",
        "order.company.slug",
        '.only(…, "company__slug"), or no .defer("company__slug")',
        SECOND_TIME + measured(6, 3),
    ),
    "a_method_that_filters_what_it_says": Told(
        "3×  exists() of events of each order",
        "OrderSerializer.get_placed",
        ".exists()",
        '.annotate(has_events=Exists(OrderEvent.objects.filter(order=OuterRef("pk"), kind="placed")))',
        measured(7, 4),
    ),
    "a_nested_serializers_method": Told(
        "3×  count() of memberships of each office",
        "OfficeSerializer.get_people",
        "office.memberships.count()",
        '.prefetch_related("office__memberships")',
        measured(6, 4),
    ),
    "a_method_of_each_line": Told(
        "6×  orders_product for each row",
        "LineSerializer.get_stock",
        ".exists()",
        "one statement for all rows, before the loop: Product.objects.filter(sku__in=[…])",
        ANOTHER,
    ),
    "a_to_representation": Told(
        "3×  count() of events of each order", "OrderSerializer", "super().to_representation", COUNT, measured(6, 3)
    ),
    "a_field_of_its_own": Told(
        "3×  count() of events of each order", "OrderSerializer.changes", "events.count()", COUNT, measured(6, 3)
    ),
    "a_list_serializer_that_filters": Told(
        "3×  events of each order",
        "OrderSerializer.events",
        'events.filter(kind="placed")',
        'Prefetch("events", OrderEvent.objects.filter(kind="placed"), to_attr="matching_events")',
        measured(7, 5),
    ),
    "an_expansion": Told(
        "3×  count() of memberships of each user",
        "EventSerializer.get_by",
        "event.actor.memberships.count()",
        '.prefetch_related("events__actor__memberships")',
        measured(10, 6),
    ),
}
NO_LOOPS = {
    "a_method_that_reads_its_own_row": "OrderSerializer.label reads what can't be seen; declare it: @needs(",
    "texts_of_a_relation": "OrderSerializer.addresses: ManyRelatedField has no spelling in SQL",
    "keys_of_a_relation": "OrderSerializer.addresses: ManyRelatedField has no spelling in SQL",
}
OTHER_ROWS = ["texts_of_a_relation", "keys_of_a_relation"]  # one query more for all of them


def run() -> str:
    """What a run of `n_plus_ones` says, on this test's servers and a database beside this test's."""
    name = f"told_{connection.settings_dict['NAME']}"
    # Settings that a test has named here would be loaded there before the suite's conftest has set anything.
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "DJANGO_", "GITHUB_"))}
    environment = mine | {
        "TEST_DATABASE_URL": re.sub(r"/[^/]*$", f"/{name}", os.environ["DATABASE_URL"]),
        "TEST_REDIS_URL": settings.REDIS_URL,
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--color=no", WAYS]
    result = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == pytest.ExitCode.TESTS_FAILED, result.stdout + result.stderr
    return result.stdout + result.stderr


def missing(message: str, told: Told) -> list[str]:
    """What of `told` is not in a message."""
    said = message.splitlines()
    place = re.compile(rf" {re.escape(told.finding)} +{re.escape(told.path)} +{re.escape(WAYS)}:(\d+)$")
    lines = (ROOT / WAYS).read_text("utf-8").splitlines()
    found = [lines[int(match[1]) - 1] for match in map(place.match, said) if match]
    absent = [] if any(told.code in line for line in found) else [f"{told.finding}  {told.path}  {told.code}"]
    absent += [] if any(line.endswith(f"→ {told.advice}") for line in said) else [told.advice]
    proof = told.proof if settings.FAST else told.proof.removeprefix(SECOND_TIME)  # PostgreSQL tried it first
    return absent + [line for line in proof.splitlines() if line not in said]


def test_each_way_of_writing_it_is_told_with_its_line_its_fix_and_the_proof(db: None) -> None:
    said = run()
    for error in ("Traceback", "QueryWhileRenderingError", "UnplannedFieldError", "AttributeError", "AssertionError"):
        assert error not in said
    no_loops = NO_LOOPS if settings.FAST else dict.fromkeys(OTHER_ROWS, "")
    messages = {test: f"{head}\n{rest}" for head, test, rest in MESSAGE.findall(said)}
    assert len(messages) == len(TOLD) + len(no_loops) + 3 * 3 + 2, said

    for way, told in TOLD.items():
        message = messages[f"test_expanded[{way}]" if way == "an_expansion" else f"test_list[{way}]"]
        assert re.match(r"GET /api/orders( \[expand=events\])?: \d+ queries, budget [2-4]\n", message), message
        assert missing(message, told) == [], message
    for way, reason in no_loops.items():
        message = messages[f"test_list[{way}]"]
        assert not reason or f"PostgreSQL does not write this answer, which takes more queries: {reason}" in message
        assert "×  " not in message, message
    for test, message in messages.items():
        place, _, way = test.removesuffix("]").partition("[")
        if place in ("test_committed_list", "test_export", "test_committed_export"):
            assert missing(message, TOLD[way]) == [], message
        if place == "test_detail":
            assert re.match(r"GET /api/orders/{id}: \d+ queries, budget [23]\n", message), message
            assert re.search(rf"^  \+ [13]× read .* … {WAYS}:\d+$", message, re.MULTILINE), message
    lines = TOLD["a_method_of_each_line"]._replace(finding="3×  orders_product for each row")
    message = messages["test_detail[a_method_of_each_line]"]
    assert missing(message, lines) == [], message
