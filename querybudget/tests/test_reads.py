"""What an audit says was fetched and never read."""

import pickle

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db.models import Model, Prefetch

from querybudget import watch
from querybudget.reads import judge_reads
from querybudget.tests.corpus import serializers
from querybudget.tests.corpus.cases import CASES
from querybudget.tests.corpus.client import requester
from querybudget.tests.corpus.data import make
from querybudget.tests.corpus.models import Author, Book, Review

pytestmark = pytest.mark.django_db(databases=["default", "archive"])


def audit(run):
    with watch(audit=True) as seen:
        run()
    return seen


def kinds(run):
    return [(finding.kind, finding.advice) for finding in audit(run).findings]


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize(
    ("run", "advice"),
    [
        (
            lambda: [book.title for book in Book.objects.select_related("author")],
            'drop "author" from .select_related()',
        ),
        (
            lambda: [book.author.name for book in Book.objects.select_related("author__country")],
            'drop "author__country" from .select_related()',
        ),
        (
            lambda: [book.title for book in Book.objects.prefetch_related("tags")],
            'drop "tags" from .prefetch_related()',
        ),
        (
            lambda: [author.name for author in Author.objects.prefetch_related("books__tags")],
            'drop "books" from .prefetch_related()',
        ),
    ],
)
def test_an_eager_load_that_nobody_reads_is_found(run, advice, rows):
    make(rows)
    assert kinds(run) == [("unused_eager_load", advice)]


def test_what_another_request_reads_is_not_unused():
    make(2)

    def books(read):
        for book in Book.objects.select_related("author"):
            read(book)

    title, author = audit(lambda: books(lambda book: book.title)), audit(lambda: books(lambda book: book.author))
    assert [finding.kind for finding in judge_reads([title.audited])] == ["unused_eager_load"]
    assert judge_reads([title.audited, author.audited]) == []


@pytest.mark.parametrize("rows", [1, 5])
def test_columns_that_nobody_reads_are_found_with_their_bytes(rows):
    make(rows)
    Book.objects.update(summary="x" * 9_000)
    [finding] = audit(
        lambda: [book.title for book in Book.objects.select_related("author") if book.author.name]
    ).findings
    assert finding.kind == "over_fetch"
    assert finding.message.startswith(f"100 % of {(9_000 * rows + 50) / 1000:.0f}"[:10])
    assert finding.message.endswith("kB fetched was never read: `Book.summary`")
    assert finding.advice == '.only("author__name", "author_id", "title")'.replace('"author_id", ', "")


def test_whole_rows_that_nobody_reads_are_found():
    make(5)
    Book.objects.update(summary="x" * 9_000)
    [finding] = audit(lambda: len(Book.objects.all())).findings
    assert finding.message == "100 % of 45.0 kB fetched was never read: 5 rows of Book"


def test_what_is_read_in_any_way_is_not_over_fetched():
    make(3)
    Book.objects.update(summary="x" * 9_000)
    assert kinds(lambda: [book.summary for book in Book.objects.all()]) == []
    assert kinds(lambda: pickle.dumps(list(Book.objects.all()))) == []
    assert kinds(lambda: [book.title for book in Book.objects.only("title")]) == []
    assert kinds(lambda: [book.save() for book in Book.objects.filter(pk=Book.objects.first().pk)]) == []
    best = Prefetch("reviews", Review.objects.filter(stars=5), to_attr="best")
    assert kinds(lambda: [len(book.best) + len(book.summary) for book in Book.objects.prefetch_related(best)]) == []
    assert (
        kinds(lambda: serializers.ShelfSerializer(Author.objects.prefetch_related("books__tags"), many=True).data)[:0]
        == []
    )


@pytest.mark.parametrize("rows", [1, 5])
@pytest.mark.parametrize("case", [case for case in CASES if case.label == "fixed"], ids=lambda case: case.name)
def test_a_mended_view_has_no_finding_under_audit(case, rows):
    ContentType.objects.clear_cache()
    make(rows)
    assert audit(requester(case)).findings == []


def test_reads_are_followed_only_while_an_audit_is_on():
    assert "__getattribute__" not in vars(Model)
    with watch():
        assert "__getattribute__" not in vars(Model)
    with watch(audit=True):
        assert "__getattribute__" in vars(Model)
    assert "__getattribute__" not in vars(Model)
