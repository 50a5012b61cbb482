"""Advice that is tried out: what is proven, what is refused, and that nothing stays behind."""

from itertools import count, islice

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.db.models import Prefetch
from django.db.models.query import QuerySet
from django.http import HttpResponse, JsonResponse
from django.test import RequestFactory
from django.urls import path

from querybudget.findings import find
from querybudget.ladder import climb
from querybudget.replay import Answer, replay
from querybudget.tests import urls
from querybudget.tests.corpus.cases import CASES
from querybudget.tests.corpus.data import make
from querybudget.tests.corpus.labels import LABELS
from querybudget.tests.corpus.models import Book, Review, Tag

pytestmark = [pytest.mark.django_db(databases=["default", "archive"]), pytest.mark.urls(__name__)]

OTHER_CODE = ("one statement", "and read", "refresh_from_db", "validate", "and filter", "[…]")
TRIED = sorted({label.case for label in LABELS if not any(words in label.advice for words in OTHER_CODE)})
TRIED.remove("prefetch_defeated_by_values")  # the rows are there, but .values_list() asks again


def stars(request):
    books = Book.objects.order_by("pk")
    return JsonResponse(
        {
            book.title: [
                [review.stars for review in book.reviews.filter(stars=3)],
                [review.stars for review in book.reviews.filter(stars=5)],
                book.reviews.filter(stars=4).first() is None,
            ]
            for book in books
        }
    )


def writes(request):
    Tag.objects.create(name="written")
    return JsonResponse({"tags": Tag.objects.count()})


numbers = count()


def fickle(request):
    return HttpResponse(f"{next(numbers)} {[book.author.name for book in Book.objects.all()]}")


def who(request):
    return HttpResponse(request.user.username)


def asked(request):
    request.get_host()
    return HttpResponse(f"{request.build_absolute_uri()} {request.headers['Authorization']}")


def eager(request):
    return JsonResponse(
        {book.pk: "author" in book._state.fields_cache or book.author.pk for book in Book.objects.all()}
    )


def defeated(request):
    books = Book.objects.order_by("pk").prefetch_related(Prefetch("reviews", Review.objects.all()))
    return JsonResponse({book.title: [review.pk for review in book.reviews.filter(stars=5)] for book in books})


def sliced(request):
    rows = Book.objects.order_by("pk").iterator(chunk_size=10)
    names = []
    while some := list(islice(rows, 2)):
        names += [book.author.name for book in some]
    return JsonResponse({"names": names})


urlpatterns = [
    *urls.urlpatterns,
    *(path(view.__name__, view) for view in (stars, writes, fickle, who, eager, asked, sliced, defeated)),
]


def climbed(path):
    request = RequestFactory().get(path)
    return climb(lambda changes: replay(request, changes))


@pytest.mark.parametrize("name", TRIED)
def test_the_exact_fix_of_a_loop_is_proven(name):
    make(5)
    [case] = [case for case in CASES if (case.label, case.name) == ("loop", name)]
    ladder = climbed(case.path)
    assert ladder.rungs
    assert (ladder.doubt, ladder.unproven) == ("", [])
    assert ladder.end.count < ladder.start.count
    assert ladder.end.body == ladder.start.body


def test_most_loops_have_a_fix_that_can_be_tried():
    assert len(TRIED) >= 20


def test_filters_of_one_relation_are_told_apart():
    make(3)
    Review.objects.filter(stars=5, book__in=Book.objects.all()[:1]).delete()
    ladder = climbed("/stars")
    assert [rung.count for rung in ladder.rungs] == [8, 6, 4]
    assert ladder.unproven == []


def test_rows_of_an_iterator_that_another_line_asks_for_are_reached():
    make(3)
    assert climbed("/sliced").counts == [4, 1]


def test_a_filter_that_a_prefetch_with_a_queryset_does_not_serve_has_the_rows_of_its_own_instance():
    make(3)
    ladder = climbed("/defeated")
    assert (ladder.counts, ladder.unproven) == ([5, 3], [])


def test_a_change_that_alters_the_answer_is_refused():
    make(2)
    ladder = climbed("/eager")
    assert ladder.rungs == []
    assert [reason for _, reason in ladder.unproven] == ["the answer would be another one"]


def test_an_answer_that_changes_by_itself_proves_nothing():
    make(2)
    assert climbed("/fickle").doubt.startswith("the same request made twice does not get the same answer")


def test_the_set_is_the_smallest_that_was_found():
    make(3)
    ladder = climbed("/loop/nested_serializer")
    assert [rung.change.text for rung in ladder.rungs] == ['.select_related("author__country")']
    assert ladder.counts == [7, 1]


def test_what_a_request_writes_is_rolled_back_and_no_query_set_stays_changed():
    plain = QuerySet._fetch_all
    for _ in range(2):
        assert replay(RequestFactory().get("/writes")).body == b'{"tags": 1}'
    assert not Tag.objects.exists()
    assert QuerySet._fetch_all is plain


def test_the_user_of_the_request_is_that_of_the_copy():
    request = RequestFactory().get("/who")
    request._cached_user = User(username="ada")
    assert replay(request).body == b"ada"


def test_a_change_that_the_orm_refuses_is_a_reason():
    make(1)
    loop = replay(RequestFactory().get("/loop/foreign_key"))

    def run(changes):
        if changes:
            raise ValueError("not like this\nat all")
        return loop

    ladder = climb(run)
    assert [reason for _, reason in ladder.unproven] == ["ValueError: not like this"]


def test_a_status_is_part_of_the_answer():
    assert not Answer(200, b"", [], find([])).is_same(Answer(500, b"", [], []))


def test_the_command_asks_by_https_a_host_that_is_allowed_with_the_headers_it_is_given(settings, capsys):
    settings.MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", *settings.MIDDLEWARE]
    settings.SECURE_SSL_REDIRECT, settings.ALLOWED_HOSTS = True, ["*", ".shop.example"]
    call_command("querybudget", "fix", "GET /asked", "--header", "Authorization: Token a:b")
    size = len("https://shop.example/asked Token a:b")
    assert capsys.readouterr().out.splitlines()[0] == f"GET /asked: 0 queries, {size} bytes"


def test_a_site_that_answers_to_no_host_is_told_why(settings):
    settings.ALLOWED_HOSTS = []
    with pytest.raises(CommandError, match=r"^GET /asked answered 400: ALLOWED_HOSTS is empty$"):
        call_command("querybudget", "fix", "GET /asked", "--header", "Authorization: Token a:b")
