"""What an adopter's project may do to the tool, and what the tool may not do to the project."""

import copy
import pickle
import socket
import threading
from time import sleep
from unittest.mock import MagicMock

import pytest
from django.core.cache import cache, caches
from django.core.paginator import Page
from django.db import connection, connections
from django.db.models import Model, QuerySet, query
from django.db.models.fields.related_descriptors import ReverseManyToOneDescriptor
from django.db.models.query import ModelIterable, ValuesIterable, ValuesListIterable
from django.http import HttpResponse
from django.test import RequestFactory
from django.urls import path
from django.utils.functional import SimpleLazyObject

from querybudget import proof as proofs
from querybudget import watch
from querybudget.loading import applied
from querybudget.origins import origin_of
from querybudget.proof import proof
from querybudget.replay import leaving_out, replay
from querybudget.tests.corpus.data import make
from querybudget.tests.corpus.models import Author, Book, Entry, Review, Tag

pytestmark = [pytest.mark.django_db(databases=["default", "archive"]), pytest.mark.urls(__name__)]


def names(request):
    return HttpResponse(str([book.author.name for book in Book.objects.order_by("pk")]))


def slow(request):
    sleep(0.2)
    return names(request)


def fails_the_test(request):
    if cache.get("again"):
        pytest.fail("not again")
    return names(request)


def calls_out(request):
    socket.create_connection(("203.0.113.1", 80), timeout=5)
    return names(request)


def counts(request):
    cache.add("visits", 0)
    caches["default"].incr("visits")
    cache.set_many({"a": 1, "b": 2})
    cache.delete("b")
    Entry.objects.create(book_id=1, text="seen")
    return HttpResponse(f"{cache.get('visits')} {cache.get_many(['a', 'b'])} {Entry.objects.count()} {names(request)}")


urlpatterns = [path(view.__name__, view) for view in (names, slow, fails_the_test, calls_out, counts)]


def queries_of(path):
    with watch() as seen:
        replay(RequestFactory().get(path))
    return len(seen.queries)


def test_a_proof_ends_when_its_time_is_up(monkeypatch):
    make(2)
    monkeypatch.setattr(proofs, "PATIENCE", 0.3)
    assert proof(RequestFactory().get("/slow"), 3) == [
        "Not proven: the request takes too long to be made again and again."
    ]


def test_a_proof_raises_nothing_not_even_what_is_no_exception():
    make(2)
    cache.set("again", True)
    try:
        assert proof(RequestFactory().get("/fails_the_test"), 3) == ["Not proven: Failed: not again"]
    finally:
        cache.clear()


def test_a_proof_connects_to_no_other_machine(caplog):
    make(2)
    plain = socket.socket.connect
    [line] = proof(RequestFactory().get("/calls_out"), 3)
    assert line == "Not proven: made again, the request makes 0 queries instead of 3."
    assert "ConnectionRefusedError: no connection to 203.0.113.1 while a test's request" in caplog.text
    assert socket.socket.connect is plain


def test_a_request_made_again_leaves_nothing_in_caches_and_on_no_database():
    make(2)
    cache.set("visits", 5)
    before = caches["default"]
    answers = {replay(RequestFactory().get("/counts")).body for _ in range(3)}
    assert len(answers) == 1
    assert answers.pop().startswith(b"6 {'a': 1} ")
    assert (cache.get("visits"), cache.get("a")) == (5, None)
    assert caches["default"] is before
    assert Entry.objects.count() == 2
    assert not any(connections[alias].needs_rollback for alias in ("default", "archive"))
    cache.clear()


def test_a_request_made_again_leaves_connections_open(monkeypatch):
    """Django closes those whose transaction is not its own at the end of a request; its test client sees to it."""
    closed = []
    monkeypatch.setattr(connections["default"], "close", lambda: closed.append(True))
    replay(RequestFactory().get("/names"))
    assert closed == []


PATCHED = [
    QuerySet,
    Model,
    Page,
    ModelIterable,
    ValuesIterable,
    ValuesListIterable,
    ReverseManyToOneDescriptor,
    socket.socket,
    query,
]


def test_nothing_is_patched_when_nobody_watches():
    before = [dict(vars(owner)) for owner in PATCHED]
    with watch(audit=True), applied(()), leaving_out(["a.b"]):
        list(Book.objects.all())
    proof(RequestFactory().get("/names"), 1)
    assert [dict(vars(owner)) for owner in PATCHED] == before


def test_what_somebody_patches_on_top_stays():
    plain = QuerySet.__iter__
    with watch():
        ours = QuerySet.__iter__
        QuerySet.__iter__ = theirs = lambda self: ours(self)
    try:
        assert QuerySet.__iter__ is theirs
        assert list(Book.objects.all()) == []
    finally:
        QuerySet.__iter__ = plain


def test_instances_rows_and_querysets_are_pickled_and_copied_as_ever():
    make(2)
    with watch():
        book = Book.objects.select_related("author").prefetch_related("reviews")[0]
        for one in (book, book.author, book.reviews.all(), Book.objects.all(), Book.objects.values("pk")):
            assert pickle.loads(pickle.dumps(one)) is not None  # noqa: S301 - our own
            assert copy.deepcopy(one) is not None
        assert origin_of(pickle.loads(pickle.dumps(book))) is None  # noqa: S301 - our own


def test_no_lazy_object_is_woken_and_no_mock_is_taken_for_a_row():
    make(2)
    woken = []
    lazy = SimpleLazyObject(lambda: woken.append(1) or Author.objects.first())
    with watch() as seen:
        for _ in [lazy, MagicMock(), MagicMock(spec=Book)]:
            Tag.objects.count()
    assert woken == []
    assert [finding.kind for finding in seen.findings] == ["duplicate"]


def test_rows_that_are_asked_for_one_by_one_are_no_loop():
    make(3)
    with watch() as seen:
        rows = Book.objects.iterator()
        next(rows)
        Author.objects.filter(name="somebody").exists()
        del rows
    assert seen.findings == []


def test_a_watch_keeps_no_rows_when_it_is_closed():
    make(3)
    with watch() as seen:
        rows = list(Book.objects.values("pk"))
        assert len(seen.rows) == len(rows)
    assert seen.rows == {}


def test_a_loop_of_one_thread_is_none_of_another():
    make(4)
    found = []

    def single():
        with watch() as seen:
            connection.cursor().execute("SELECT 1")
        found.extend(seen.findings)
        connection.close()

    with watch() as loops:
        for book in Book.objects.all():
            Review.objects.filter(book=book.pk).count()
            thread = threading.Thread(target=single, daemon=True)
            thread.start()
            thread.join(10)
    assert found == []
    assert "n_plus_one" in [finding.kind for finding in loops.findings]


class Curious(QuerySet):
    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return f"what is {name}?"


def test_a_queryset_with_an_attribute_for_everything_is_read_as_ever():
    make(2)
    with watch() as seen:
        assert len([book.author.name for book in Curious(Book)]) == 2
        assert [finding.advice for finding in seen.findings] == ['.select_related("author")']
    with applied(()):
        assert len(list(Curious(Book))) == 2
