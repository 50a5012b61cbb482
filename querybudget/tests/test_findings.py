"""Findings on the corpus: each labelled problem by its cause, with one row as with five, and no other."""

from collections import defaultdict

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from querybudget import watch
from querybudget.findings import FAILING
from querybudget.tests import urls  # noqa: F401 - registers the cases
from querybudget.tests.corpus.cases import CASES
from querybudget.tests.corpus.client import requester
from querybudget.tests.corpus.data import make
from querybudget.tests.corpus.labels import LABELS, Label, line_of
from querybudget.tests.corpus.models import Author, Book, Country, Review, Tag

pytestmark = pytest.mark.django_db(databases=["default", "archive"])

LABELLED = defaultdict(list)
for label in LABELS:
    LABELLED[label.case].append(label)


def findings_of(case, rows):
    ContentType.objects.clear_cache()
    make(rows)
    with watch() as seen:
        requester(case)()
    return seen.findings


def as_label(case, finding):
    file, _, line = finding.location.rpartition(":")
    return Label(
        case.name, finding.kind, finding.relation.removeprefix("corpus."), line_of(file, int(line)), finding.advice
    )


def test_every_loop_is_labelled():
    assert {case.name for case in CASES if case.label == "loop"} == set(LABELLED)


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("case", [case for case in CASES if case.label == "loop"], ids=lambda case: case.name)
def test_a_loop_is_found_by_its_cause(case, rows):
    found = findings_of(case, rows)
    assert sorted(as_label(case, finding) for finding in found) == sorted(LABELLED[case.name])
    assert all(finding.kind in FAILING and finding.count >= rows for finding in found)


@pytest.mark.parametrize("rows", [1, 5, 12])
@pytest.mark.parametrize("case", [case for case in CASES if case.label != "loop"], ids=lambda case: case.path)
def test_a_clean_view_has_no_finding(case, rows):
    assert findings_of(case, rows) == []


def test_a_finding_says_what_it_found():
    make(3)
    with watch() as seen:
        [str(book.author) for book in Book.objects.all()]
    [finding] = seen.findings
    assert finding.as_dict() == {
        "kind": "n_plus_one",
        "count": 3,
        "relation": "corpus.Book.author",
        "path": "",
        "location": str(seen.counted[1].location),
        "what": "author of each book",
        "message": "3 queries, one for each row: author of each book",
        "advice": '.select_related("author")',
        "label": "read corpus_author",
        "shape": seen.counted[1].shape,
        "fixable": True,
    }


def test_equal_lookups_of_many_rows_are_called_identical():
    author = Author.objects.create(name="a", country=Country.objects.create(name="c"))
    Book.objects.bulk_create(Book(title="t", summary="s", author=author) for _ in range(3))
    with watch() as seen:
        [str(book.author) for book in Book.objects.all()]
    assert [finding.what for finding in seen.findings] == ["identical: author of each book"]


def test_the_same_question_asked_again_is_a_duplicate():
    def vat():
        return Country.objects.filter(name="a").first()

    with watch() as seen:
        vat()
        vat()
        vat()
    [finding] = seen.findings
    assert (finding.kind, finding.count, finding.what) == ("duplicate", 3, "identical: corpus_country")
    assert finding.message.startswith("3 queries with the same parameters, from querybudget/tests/test_findings.py:")


def test_two_objects_that_happen_to_be_one_and_answers_that_a_write_may_change_are_no_duplicates():
    country = Country.objects.create(name="a")
    with watch() as seen:
        Country.objects.get(pk=country.pk)
        Country.objects.get(pk=country.pk)
        Review.objects.count()
        Review.objects.all().delete()
        Review.objects.count()
    assert seen.findings == []


def test_a_memory_is_believed_until_many_rows_show_that_it_does_not_hold():
    def names():
        seen = {}
        for book in Book.objects.all():
            if book.pk not in seen:
                seen[book.pk] = Author.objects.get(pk=book.author_id)

    def found(rows):
        make(rows)
        with watch() as seen:
            names()
        return [finding.kind for finding in seen.findings]

    assert found(2) == []
    assert found(6) == ["n_plus_one"]


def test_writes_by_cursor_in_a_loop_are_found():
    make(1)
    with watch() as seen, connection.cursor() as cursor:
        for tag in Tag.objects.all():
            cursor.execute("UPDATE corpus_tag SET name = %s WHERE id = %s", ["x", tag.pk])
    assert [finding.kind for finding in seen.findings] == ["write_n_plus_one"]
