"""Of a media type's parameters only `indent` changes an answer; the others make no other request."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests import factories

SAME = [
    "application/json; charset=utf-8",
    "application/json;q=0.9",
    "Application/JSON",
    "application/json; indent=0",
    "application/json; indent=x",
]


@pytest.mark.parametrize("accept", SAME)
def test_the_same_answer_takes_as_many_queries(
    db: None, client_of: Any, django_assert_num_queries: Any, accept: str
) -> None:
    office = factories.office()
    member = factories.member(office.company)
    for _ in range(2):
        factories.order(office, member)
    client = client_of(member)
    with CaptureQueriesContext(connection) as asked:
        plain = client.get("/api/orders", headers={"Accept": "application/json"})
    with django_assert_num_queries(len(asked)):
        answer = client.get("/api/orders", headers={"Accept": accept})
    assert (answer.content, answer.headers["Content-Type"]) == (plain.content, plain.headers["Content-Type"])
