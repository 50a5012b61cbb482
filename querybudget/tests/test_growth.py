"""`query_growth` on the corpus: every loop found, no clean view accused."""

from collections import Counter

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from querybudget.tests import urls  # noqa: F401 - registers the cases
from querybudget.tests.corpus.cases import CASES
from querybudget.tests.corpus.client import requester
from querybudget.tests.corpus.data import make
from querybudget.tests.corpus.models import Author, Book, Comment, Country, Entry, Profile, Review, Tag

ALIASES = ["default", "archive"]


def test_every_loop_has_its_twin():
    names = {label: Counter(case.name for case in CASES if case.label == label) for label in ("loop", "fixed")}
    assert names["loop"] == names["fixed"]
    assert len(names["loop"]) >= 35


@pytest.mark.django_db(databases=ALIASES)
@pytest.mark.parametrize("case", [case for case in CASES if case.label == "loop"], ids=lambda case: case.name)
def test_a_loop_is_found(case, query_growth):
    with pytest.raises(
        AssertionError, match=r"queries grow with rows: \d+ queries with 2 rows, \d+ with 8\n"
    ) as failure:
        query_growth(make, requester(case), case.sizes)
    assert "+1.0 query per row" in str(failure.value) or "+2.0 query per row" in str(failure.value)
    assert "querybudget/tests/corpus/" in str(failure.value)


@pytest.mark.django_db(databases=ALIASES)
@pytest.mark.parametrize("case", [case for case in CASES if case.label != "loop"], ids=lambda case: case.path)
def test_a_clean_view_is_not_accused(case, query_growth):
    seen = query_growth(make, requester(case), case.sizes)
    assert all(seen.values())


@pytest.mark.django_db(databases=ALIASES)
def test_the_message_names_shape_slope_and_line(query_growth):
    def call():
        for book in Book.objects.all():
            str(book.author)

    with pytest.raises(AssertionError) as failure:
        query_growth(make, call)
    line = call.__code__.co_firstlineno + 2
    assert str(failure.value).splitlines()[:2] == [
        "queries grow with rows: 3 queries with 2 rows, 9 with 8",
        f"  +1.0 query per row: read corpus_author (2 → 8) … querybudget/tests/test_growth.py:{line}",
    ]


@pytest.mark.django_db(databases=ALIASES)
def test_nothing_is_left_behind_on_any_database(query_growth):
    query_growth(make, lambda: list(Book.objects.all()))
    assert not Author.objects.exists()
    assert not Entry.objects.exists()


@pytest.mark.django_db
def test_databases_that_the_test_may_not_use_are_left_alone(query_growth):
    query_growth(lambda number: None, lambda: list(Book.objects.all()))


@pytest.mark.django_db(transaction=True, databases=ALIASES)
def test_it_works_outside_a_transaction(query_growth):
    query_growth(make, lambda: list(Book.objects.all()))
    assert not Author.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("sizes", [(2, 2), (8,), (0, 8)])
def test_sizes_that_show_nothing_are_refused(query_growth, sizes):
    with pytest.raises(ValueError, match="sizes must be"):
        query_growth(make, list, sizes)


@pytest.mark.django_db
def test_the_same_table_on_two_databases_is_two_shapes(query_growth):
    def call():
        connection.cursor().execute("SELECT 1")

    assert [query.alias for query in query_growth(lambda number: None, call)[8]] == ["default"]


@pytest.mark.django_db(databases=ALIASES)
def test_looking_up_content_types_for_the_first_time_is_no_growth(query_growth):
    models = [Author, Book, Comment, Country, Profile, Review, Tag, ContentType]
    ContentType.objects.clear_cache()

    def call():
        for model in models[: Author.objects.count()]:
            ContentType.objects.get_for_model(model)

    query_growth(lambda number: Author.objects.bulk_create(authors(number)), call)


def authors(number):
    country = Country.objects.create(name="one")
    return [Author(name=str(index), country=country) for index in range(number)]
