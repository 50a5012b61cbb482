"""Who made a query: relation, origin, DRF path, line."""

import copy
import pickle

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from django.db.models import Prefetch
from django.db.models.query import ModelIterable, QuerySet

from querybudget import watch
from querybudget.documents import detailed
from querybudget.origins import origin_of
from querybudget.plans import plan_of
from querybudget.tests.corpus import serializers
from querybudget.tests.corpus.data import make
from querybudget.tests.corpus.models import Author, Book, Comment, Profile, Review

pytestmark = pytest.mark.django_db(databases=["default", "archive"])


@pytest.fixture(autouse=True)
def one_of_each():
    make(1)


def relation(query):
    model, name = query.cause.relation
    return f"{model.__name__}.{name}"


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (lambda: [book.author for book in Book.objects.all()], "Book.author"),
        (lambda: [author.profile for author in Author.objects.all()], "Author.profile"),
        (lambda: [profile.author for profile in Profile.objects.all()], "Profile.author"),
        (lambda: [list(author.books.all()) for author in Author.objects.all()], "Author.books"),
        (lambda: [book.tags.count() for book in Book.objects.all()], "Book.tags"),
        (lambda: [tag.books.exists() for book in Book.objects.all() for tag in book.tags.all()], "Tag.books"),
        (lambda: [book.comments.filter(text="x").first() for book in Book.objects.all()], "Book.comments"),
        (lambda: [comment.subject for comment in Comment.objects.all()], "Comment.subject"),
        (lambda: [book.summary for book in Book.objects.only("title")], "Book.summary"),
    ],
)
def test_the_relation_is_named(read, expected):
    with watch() as seen:
        read()
    assert relation(seen.counted[-1]) == expected


def path_of(instance):
    origin = origin_of(instance)
    return origin.many, "__".join(origin.path)


def test_an_instance_knows_whether_it_could_have_had_siblings():
    with watch():
        [listed] = Book.objects.all()
        assert path_of(listed) == (True, "")
        for single in (
            Book.objects.get(),
            Book.objects.first(),
            Book.objects.order_by("pk")[0],
            Book.objects.latest("pk"),
            *Book.objects.filter(pk=listed.pk),
            *Book.objects.all()[:5],
            *Book.objects.raw("SELECT * FROM corpus_book LIMIT 0"),
        ):
            assert path_of(single) == (False, "")
        assert path_of(next(iter(Book.objects.all()[:6]))) == (True, "")
        assert path_of(Book.objects.raw("SELECT * FROM corpus_book")[0]) == (True, "")


def test_an_instance_knows_the_relations_that_led_to_it():
    with watch():
        [joined] = Book.objects.select_related("author__country")
        assert path_of(joined.author.country) == (True, "author__country")
        [lazy] = Book.objects.all()
        assert path_of(lazy.author.country) == (True, "author__country")
        assert path_of(lazy.reviews.all()[0]) == (True, "reviews")
        [prefetched] = Author.objects.prefetch_related("books__tags", Prefetch("books__reviews", to_attr="found"))
        [book] = prefetched.books.all()
        assert path_of(book.tags.all()[0]) == (True, "books__tags")
        assert path_of(book.found[0]) == (True, "books__found")
        single = Author.objects.prefetch_related("books").get()
        assert path_of(single.country) == (False, "country")
        assert path_of(single.books.all()[0]) == (True, "books")


def test_instances_and_querysets_survive_pickling_and_carry_nothing_along():
    with watch():
        [book] = Book.objects.select_related("author")
        reviews = book.reviews.filter(stars=5)
        data = pickle.dumps([book, reviews])
        assert origin_of(copy.copy(book)) is None or copy.copy(book) == book
    assert b"querybudget.origins" not in data
    assert b"querybudget.hints" not in data
    again, found = pickle.loads(data)  # noqa: S301
    assert (again, again.author, origin_of(again)) == (book, book.author, None)
    assert [review.stars for review in found] == [5]


def test_the_path_is_that_of_the_serializer():
    def paths(serializer, queryset):
        with watch() as seen:
            serializer(queryset, many=True).data  # noqa: B018
        return [query.cause.path for query in seen.counted]

    assert paths(serializers.NestedBook, Book.objects.all()) == [
        "NestedBook",
        "NestedBook.author",
        "NestedBook.author.country",
    ]
    assert paths(serializers.CountBook, Book.objects.all()) == ["CountBook", "CountBook.get_reviews"]
    assert paths(serializers.ShelfSerializer, Author.objects.all()) == [
        "ShelfSerializer",
        "ShelfSerializer.books",
        "ShelfSerializer.books.tags",
    ]


def test_a_loop_is_seen_while_it_runs_and_not_after():
    def loops(run):
        with watch() as seen:
            run()
        return [query.cause.loop is not None for query in seen.counted]

    def one():
        Review.objects.count()

    def direct():
        for _ in Book.objects.values_list("pk", flat=True):
            one()
        one()

    def over_a_list():
        books = list(Book.objects.all())
        for _ in books:
            one()
        one()

    def left_early():
        for _ in Book.objects.all():
            break
        one()

    def comprehended():
        books = list(Book.objects.all())
        [one() for book in books]
        [book.pk for book in Book.objects.all()]

    async def awaited():
        async for _ in Book.objects.all():
            await sync_to_async(one)()
        await Review.objects.acount()

    assert loops(direct) == [False, True, False]
    assert loops(over_a_list) == [False, True, False]
    assert loops(comprehended) == [False, True, False]
    assert loops(left_early) == [False, False]
    assert loops(async_to_sync(awaited)) == [False, True, False]
    assert loops(lambda: [one() for _ in Book.objects.all()[:3]]) == [False, False]


def test_counting_patches_no_model_and_marks_no_instance():
    plain = QuerySet.__iter__, ModelIterable.__iter__
    with watch(detail=False):
        assert (QuerySet.__iter__, ModelIterable.__iter__) == plain
        assert origin_of(Book.objects.get()) is None
    with watch():
        assert QuerySet.__iter__ is not plain[0]
    assert (QuerySet.__iter__, ModelIterable.__iter__) == plain


def test_a_document_is_without_values_unless_they_are_asked_for():
    with watch() as seen, connection.cursor() as cursor:
        cursor.execute("SELECT 'secret', %s", ["secret"])
        Book.objects.get(title="secret2") if Book.objects.filter(title="secret2").exists() else None
    assert "secret" not in repr(detailed(seen.queries, seen.findings, plan=plan_of))
    assert "secret2" in repr(detailed(seen.queries, seen.findings, parameters=True))
