"""Views that are right, and that a tool which counts repetitions would accuse."""

import functools

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction
from django.db.models import Q

from querybudget.tests.corpus import serializers
from querybudget.tests.corpus.cases import alike
from querybudget.tests.corpus.loops import answer
from querybudget.tests.corpus.models import Author, Book, Country, Review, Tag


@alike
def constant_loop(request):
    names = [f"country {number}" for number in range(12)]
    return answer(Country.objects.filter(name=name).exists() for name in names)


@alike
def several_single_objects(request):
    first, last = Author.objects.order_by("pk").first(), Author.objects.order_by("pk").last()
    return answer([Author.objects.get(pk=first.pk).name, Author.objects.get(pk=last.pk).name, first.country.name])


@alike(sizes=(2, 42))
def chunked_iteration(request):
    books = Book.objects.prefetch_related("tags").iterator(chunk_size=10)
    return answer(tag.name for book in books for tag in book.tags.all())


@alike(method="post", sizes=(2, 42))
def batched_create(request):
    tags = [Tag(name=book.title) for book in Book.objects.all()]
    return answer([len(Tag.objects.bulk_create(tags, batch_size=10))])


@alike(method="post", sizes=(2, 42))
def batched_update(request):
    books = list(Book.objects.all())
    return answer([Book.objects.bulk_update(books, ["title"], batch_size=10)])


@alike(method="post")
def validators_of_one_object(request):
    serializer = serializers.NewBook(data={"title": "new", "author": Author.objects.first().pk})
    return answer([serializer.is_valid(raise_exception=True)])


@alike(method="post")
def savepoint_for_each_row(request):
    with transaction.atomic():
        for _ in Book.objects.all():
            with transaction.atomic():
                pass
    return answer([])


@alike
def page_of_fixed_length(request):
    page = Book.objects.order_by("pk").select_related("author")[:2]
    return answer(
        [Book.objects.count(), *(book.author.name for book in page), *(book.latest_review.stars for book in page)]
    )


@alike
def lookups_remembered(request):
    seen: dict[int, str] = {}
    for review in Review.objects.all():
        if review.stars not in seen:
            seen[review.stars] = Review.objects.filter(stars=review.stars).first().stars
    return answer(seen)


@alike
def batch_spelled_with_or(request):
    wanted = Q()
    for book in Book.objects.all():
        wanted |= Q(pk=book.pk)
    return answer(book.title for book in Book.objects.filter(wanted))


@alike
def batch_spelled_with_rows(request):
    keys = [book.pk for book in Book.objects.all()]
    rows = ", ".join(["(%s)"] * len(keys))
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT title FROM corpus_book WHERE (id) IN ({rows})", keys)  # noqa: S608
        return answer(cursor.fetchall())


@alike
def one_query_for_each_relation(request):
    books = Book.objects.prefetch_related("tags", "reviews", "comments", "author__country", "author__profile")
    return answer(
        [book.author.country.name, book.author.profile.biography, len(book.tags.all()), len(book.reviews.all())]
        for book in books
    )


@functools.cache
def _number_of(stars):
    return Review.objects.filter(stars=stars).count()


@alike
def module_function_remembered(request):
    _number_of.cache_clear()
    return answer(_number_of(review.stars) for review in Review.objects.all())


@alike
def content_types_remembered(request):
    ContentType.objects.clear_cache()
    return answer(ContentType.objects.get_for_model(type(book)).model for book in Book.objects.all())


@alike
def relation_of_one_object_in_a_loop(request):
    author = Author.objects.order_by("pk").first()
    return answer(f"{author.country.name}: {book.title}" for book in Book.objects.all())


@alike
def lines_of_one_object(request):
    author = Author.objects.order_by("pk").first()
    return answer([author.country.name, *(book.title for book in author.books.all()), author.profile.biography])


@alike(method="post", sizes=(2, 42))
def buffer_written_now_and_then(request):
    buffer = []
    for book in Book.objects.iterator():
        buffer.append(Tag(name=book.title))
        if len(buffer) == 10:
            Tag.objects.bulk_create(buffer)
            buffer.clear()
    Tag.objects.bulk_create(buffer)
    return answer([])


@alike(method="post")
def read_again_after_a_write(request):
    before = Country.objects.count()
    Country.objects.create(name="new")
    return answer([before, Country.objects.count()])


@alike(method="post")
def one_object_saved_after_a_loop(request):
    country = Country.objects.first()
    for author in Author.objects.all():
        country.name = author.name[:20]
    country.save()
    return answer([])


@alike(method="post")
def cascade(request):
    return answer([Country.objects.all().delete()[0]])
