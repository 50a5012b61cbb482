"""What a test that lists the story's orders is told when their budget is four queries."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

from django.test import Client, RequestFactory

from querybudget import watch
from querybudget.ledger import Ledger
from querybudget.observation import Observation
from querybudget.proof import proof
from querybudget.verdict import judge

HERE = "querybudget/tests/article/"


def message_of_a_failing_test() -> str:
    """As pytest prints it, with the application's files named as if this were the application's folder."""
    with tempfile.TemporaryDirectory() as folder:
        ledger = Path(folder, "query-budgets.toml")
        ledger.write_text('["GET /article/orders"]\nqueries = 4\n', "utf-8")
        with watch() as seen:
            Client().get("/article/orders")
        observed = Observation.of("GET /article/orders", "tests/test_orders.py::test_list", seen.queries)
        violation = judge(observed, Ledger(ledger))
    assert violation is not None
    proved = tuple(proof(RequestFactory().get("/article/orders"), violation.queries))
    return replace(violation, proved=proved).message.replace(HERE, "")
