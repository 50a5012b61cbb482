"""More ways to write a loop: other querysets, other relations, rows that are no instances, writes of every kind."""

import json

from django.core.paginator import Paginator
from django.db.models import Prefetch

from querybudget.tests.corpus.cases import loop
from querybudget.tests.corpus.loops import answer
from querybudget.tests.corpus.models import (
    Author,
    Bestseller,
    Book,
    Comment,
    Country,
    Library,
    Place,
    Placement,
    Review,
    Shelf,
    Subject,
    Tag,
)


@loop
def many_to_many_through(request):
    shelves = Shelf.objects.prefetch_related("placements")
    return answer(placement.book.title for shelf in shelves for placement in shelf.placements.all())


@loop
def many_to_many_backwards(request):
    return answer(book.title for tag in Tag.objects.all() for book in tag.books.all())


@loop
def parent_to_child_table(request):
    return answer(place.library.seats for place in Place.objects.all())


@loop
def relation_of_the_parent_table(request):
    return answer(library.country.name for library in Library.objects.all())


@loop
def proxy(request):
    return answer(book.author.name for book in Bestseller.objects.all())


@loop
def manager_method(request):
    return answer(len(book.reviews.good()) for book in Book.objects.all())


@loop
def below_a_prefetched_list(request):
    authors = Author.objects.prefetch_related(Prefetch("books", to_attr="works"))
    return answer(tag.name for author in authors for book in author.works for tag in book.tags.all())


@loop
def server_side_rows(request):
    return answer(book.author.name for book in Book.objects.iterator(chunk_size=10))


@loop
def rows_by_key(request):
    return answer(book.author.name for book in Book.objects.in_bulk().values())


@loop
def a_page_of_a_paginator(request):
    page = Paginator(Book.objects.order_by("pk"), 20).page(1)
    return answer(book.author.name for book in page)


@loop
def latest_of_a_relation(request):
    return answer(book.reviews.latest("pk").stars for book in Book.objects.all())


@loop
def prefetch_defeated_by_first(request):
    return answer(book.reviews.first().stars for book in Book.objects.prefetch_related("reviews"))


@loop
def absence_of_a_one_to_one(request):
    return answer(hasattr(author, "profile") for author in Author.objects.all())


@loop
def content_type_of_each(request):
    return answer(comment.content_type.model for comment in Comment.objects.all())


@loop
def count_below_a_join(request):
    return answer(book.author.books.count() for book in Book.objects.select_related("author"))


@loop
def column_of_a_joined_row(request):
    books = Book.objects.select_related("author").only("title", "author__id")
    return answer(book.author.name for book in books)


@loop
def dictionaries(request):
    rows = list(Book.objects.values("author_id"))
    names = ""
    for row in rows:
        names += Author.objects.get(pk=row["author_id"]).name
    return answer(names)


@loop
def tuples(request):
    rows = list(Book.objects.values_list("pk", "author_id"))
    return answer([Author.objects.get(pk=row[1]).name for row in rows])


@loop
def mapped(request):
    books = list(Book.objects.all())
    return answer(map(lambda book: Author.objects.get(pk=book.author_id).name, books))  # noqa: C417 - the case


@loop
def tree(request):
    def names(subject):
        return [subject.name, *(names(part) for part in subject.parts.all())]

    return answer(names(subject) for subject in Subject.objects.filter(parent__isnull=True))


@loop
def membership_of_each(request):
    tag = Tag.objects.first()
    return answer(book.tags.contains(tag) for book in Book.objects.all())


@loop(method="post")
def update_or_create(request):
    for book in Book.objects.all():
        Tag.objects.update_or_create(name=f"of {book.pk}")
    return answer([])


@loop(method="post")
def create_through_a_relation(request):
    for book in Book.objects.all():
        book.reviews.create(stars=1)
    return answer([])


@loop(method="post")
def save_of_a_joined_row(request):
    for book in Book.objects.select_related("author"):
        book.author.name += "!"
        book.author.save()
    return answer([])


@loop(method="post")
def set_of_many_to_many(request):
    tags = list(Tag.objects.all()[:1])
    for book in Book.objects.all():
        book.tags.set(tags)
    return answer([])


@loop(method="post")
def clear_of_many_to_many(request):
    for book in Book.objects.all():
        book.tags.clear()
    return answer([])


@loop(method="post")
def delete_by_filter(request):
    for book in Book.objects.all():
        Review.objects.filter(book=book).delete()
    return answer([])


@loop(method="post")
def batch_of_one(request):
    for book in Book.objects.all():
        Tag.objects.bulk_create([Tag(name=book.title)])
    return answer([])


@loop(method="post")
def create_from_the_body(request):
    for item in json.loads(request.body):
        Tag.objects.create(name=item["name"])
    return answer([])


@loop(method="post")
def lookup_from_the_body(request):
    items = json.loads(request.body)
    names = []
    for item in items:
        names.append(Country.objects.filter(name=item["name"]).first() is None)  # noqa: PERF401 - the loop is the case
    return answer(names)


@loop(method="post")
def delete_of_a_through_row(request):
    for placement in list(Placement.objects.all()):
        placement.delete()
    return answer([])
