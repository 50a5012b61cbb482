"""More views that are right: batches of any spelling, loaded relations, single objects, handfuls."""

import asyncio

from django.core.paginator import Paginator
from django.db import connection
from django.db.models import Count, Prefetch, prefetch_related_objects
from django.db.models.signals import pre_save
from django.http import JsonResponse
from django.shortcuts import get_object_or_404, render
from rest_framework.viewsets import ReadOnlyModelViewSet

from querybudget.tests.corpus import serializers
from querybudget.tests.corpus.cases import alike
from querybudget.tests.corpus.layers import count_namesakes
from querybudget.tests.corpus.loops import answer
from querybudget.tests.corpus.models import Author, Book, Country, Library, Review, Shelf, Subject, Tag


@alike(sizes=(2, 42))
def batches_by_key(request):
    titles, last = [], 0
    while batch := list(Book.objects.filter(pk__gt=last).order_by("pk")[:10]):
        titles += [book.title for book in batch]
        last = batch[-1].pk
    return answer(titles)


@alike(sizes=(2, 42))
def batches_of_keys(request):
    keys = list(Book.objects.values_list("pk", flat=True))
    batches = [keys[start : start + 10] for start in range(0, len(keys), 10)]
    return answer([book.title for batch in batches for book in Book.objects.filter(pk__in=batch)])


@alike(sizes=(2, 42))
def batches_of_a_cursor(request):
    titles = []
    with connection.cursor() as cursor:
        cursor.execute("SELECT title FROM corpus_book")
        while rows := cursor.fetchmany(10):
            titles += rows
    return answer(titles)


@alike(sizes=(2, 42))
def pages_of_a_paginator(request):
    pages = Paginator(Book.objects.select_related("author").order_by("pk"), 10)
    return answer(book.author.name for page in pages for book in page)


@alike
def levels_of_a_tree(request):
    names, level = [], list(Subject.objects.filter(parent=None))
    while level:
        names += [subject.name for subject in level]
        level = list(Subject.objects.filter(parent__in=level))
    return answer(names)


@alike
def methods_of_prefetched_relations(request):
    books = Book.objects.prefetch_related("reviews", "tags")
    tag = Tag.objects.first()
    return answer(
        [book.reviews.count(), book.reviews.exists(), book.tags.contains(tag), len(book.tags.all())] for book in books
    )


@alike
def template_of_prefetched_relations(request):
    books = Book.objects.select_related("author").prefetch_related("reviews", "tags")
    return render(request, "corpus/prefetched.html", {"books": books})


@alike
def prefetched_lists(request):
    books = Prefetch("books", Book.objects.select_related("author__country"), to_attr="works")
    authors = Author.objects.prefetch_related(books, "works__tags")
    return answer([work.author.country.name, len(work.tags.all())] for author in authors for work in author.works)


@alike
def prefetched_by_hand(request):
    books = list(Book.objects.all())
    prefetch_related_objects(books, "author__country", "shelves")
    return answer([book.author.country.name, len(book.shelves.all())] for book in books)


@alike
def joined_by_hand(request):
    authors = {author.pk: author for author in Author.objects.all()}
    books = list(Book.objects.all())
    for book in books:
        book.author = authors[book.author_id]
    return answer(book.author.name for book in books)


@alike
def annotated_columns(request):
    books = Book.objects.annotate(number=Count("reviews")).select_related("author").only("title", "author__name")
    return answer([book.number, book.title, book.author.name, book.author_id] for book in books)


@alike
def dictionaries(request):
    rows = Book.objects.values("author__name", "author__country__name")
    known = Country.objects.in_bulk(field_name="id")
    return answer([len(known), list(rows)])


@alike
def keys_of_relations(request):
    page = serializers.PlainNewBook(Book.objects.all(), many=True)
    return JsonResponse({"values": page.data})


@alike
def nothing_to_follow(request):
    Library.objects.update(country=None)
    return answer(library.country for library in Library.objects.all())


@alike
def one_object_in_full(request):
    book = get_object_or_404(Book, pk=Book.objects.latest("pk").pk)
    latest = [book.latest_review.stars, book.first_tag.name, book.byline]
    return answer([*latest, book.reviews.count(), book.reviews.good().exists(), book.comments.first().text])


class Shelves(ReadOnlyModelViewSet):
    queryset = Book.objects.all()
    serializer_class = serializers.MethodBook

    def get_object(self):
        return self.queryset.order_by("pk").first()


detail_of_one_object = alike(Shelves.as_view({"get": "retrieve"}), name="detail_of_one_object")


@alike(method="post")
def handful_of_defaults(request):
    for name in ("fiction", "poetry", "drama"):
        Tag.objects.get_or_create(name=name)
    defaults = {"essay": 1, "letter": 2}
    for name in defaults:
        Tag.objects.update_or_create(name=name)
    return answer([])


@alike(method="post")
def several_saves_of_single_objects(request):
    book = Book.objects.select_related("author").first()
    for one in (book, book.author, book.author.country):
        one.save()
        one.refresh_from_db()
    return answer([])


@alike(method="post")
def relation_of_one_object_written(request):
    book = Book.objects.first()
    tags = list(Tag.objects.all())
    book.tags.set(tags)
    book.tags.remove(*tags)
    book.tags.add(*tags)
    return answer([book.tags.count()])


@alike(method="post")
def one_save_with_a_signal(request):
    tag = Tag.objects.first()
    tag.name = "counted"
    tag.save()
    return answer([pre_save.has_listeners(Tag), count_namesakes.__name__])


@alike(method="post")
def list_with_one_query(request):
    data = [{"name": book.title} for book in Book.objects.all()]
    serializer = serializers.NewTags(data=data, child=serializers.NewTag())
    serializer.is_valid(raise_exception=True)
    serializer.save()
    return answer([])


@alike
async def asynchronous_side_by_side(request):
    counts = await asyncio.gather(Book.objects.acount(), Author.objects.acount(), Shelf.objects.acount())
    books = [book.author.name async for book in Book.objects.select_related("author")]
    return answer([*counts, *books, await Review.objects.afirst() is None])
