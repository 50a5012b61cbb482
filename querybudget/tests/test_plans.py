"""Reads without an index, by real plans, on SQLite and on PostgreSQL."""

import pytest
from django.db import connection

from querybudget import watch
from querybudget.plans import missing_indexes, plan_of
from querybudget.tests.corpus.data import make
from querybudget.tests.corpus.models import Book, Country, Review

pytestmark = pytest.mark.django_db(databases=["default", "archive"])


def advice(read, rows):
    make(rows)
    with watch() as seen:
        read()
    return [finding.advice for finding in missing_indexes(seen.queries)]


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: list(Country.objects.filter(name="a")), 'models.Index(fields=["name"]) in Country.Meta.indexes'),
        (lambda: Review.objects.filter(stars__gte=4).count(), 'models.Index(fields=["stars"]) in Review.Meta.indexes'),
        (
            lambda: list(Book.objects.filter(title="a", summary__gt="b")),
            'models.Index(fields=["title", "summary"]) in Book.Meta.indexes',
        ),
    ],
)
def test_a_condition_without_an_index_is_found(read, expected, rows):
    assert advice(read, rows) == [expected]


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize(
    "read",
    [
        lambda: list(Book.objects.all()),
        lambda: list(Book.objects.filter(pk=1)),
        lambda: list(Book.objects.filter(author_id=1)),
        lambda: list(Book.objects.select_related("author__country").filter(pk__in=[1, 2])),
        lambda: list(Book.objects.order_by("title")[:2]),
        lambda: list(Review.objects.filter(book_id=1, stars=5)),
    ],
)
def test_a_read_that_an_index_serves_or_that_wants_all_rows_is_right(read, rows):
    assert advice(read, rows) == []


def test_a_plan_is_the_databases_own_and_has_no_values():
    make(2)
    with watch() as seen:
        list(Country.objects.filter(name="secret"))
        list(Review.objects.filter(stars__in=[77, 78], book__title="it's secret"))
        list(Book.objects.raw("SELECT * FROM corpus_book WHERE title = 'secret' AND id > 77"))
    for query in seen.queries:
        plan = plan_of(query)
        assert query.statement.tables[0] in plan
        assert "secret" not in plan
        assert "77" not in plan
    if connection.vendor == "postgresql":
        assert "secret" in plan_of(seen.queries[0], parameters=True)
        assert "cost=" in plan_of(seen.queries[0])


def test_what_has_no_plan_has_none():
    with watch() as seen:
        Country.objects.create(name="a")
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    seen.queries[1].sql = "SELECT nothing"
    assert [plan_of(query) for query in seen.queries] == [None, None]
    assert Country.objects.count() == 1


def test_asking_for_plans_is_not_seen_and_changes_nothing():
    make(2)
    with watch() as seen:
        list(Country.objects.filter(name="a"))
        missing_indexes(seen.queries)
        list(Country.objects.filter(name="a"))
    assert len(seen.queries) == 2
