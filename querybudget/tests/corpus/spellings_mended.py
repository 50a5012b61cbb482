"""The views of `spellings`, without the loop."""

import json

from django.core.paginator import Paginator
from django.db.models import Count, Max, Prefetch

from querybudget.tests.corpus.cases import fixed
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


@fixed
def many_to_many_through(request):
    shelves = Shelf.objects.prefetch_related("placements__book")
    return answer(placement.book.title for shelf in shelves for placement in shelf.placements.all())


@fixed
def many_to_many_backwards(request):
    return answer(book.title for tag in Tag.objects.prefetch_related("books") for book in tag.books.all())


@fixed
def parent_to_child_table(request):
    return answer(place.library.seats for place in Place.objects.select_related("library"))


@fixed
def relation_of_the_parent_table(request):
    return answer(library.country.name for library in Library.objects.select_related("country"))


@fixed
def proxy(request):
    return answer(book.author.name for book in Bestseller.objects.select_related("author"))


@fixed
def manager_method(request):
    good = Prefetch("reviews", Review.objects.good(), to_attr="good_reviews")
    return answer(len(book.good_reviews) for book in Book.objects.prefetch_related(good))


@fixed
def below_a_prefetched_list(request):
    works = Prefetch("books", Book.objects.prefetch_related("tags"), to_attr="works")
    authors = Author.objects.prefetch_related(works)
    return answer(tag.name for author in authors for book in author.works for tag in book.tags.all())


@fixed(sizes=(2, 42))
def server_side_rows(request):
    books = Book.objects.prefetch_related("author").iterator(chunk_size=10)
    return answer(book.author.name for book in books)


@fixed
def rows_by_key(request):
    return answer(book.author.name for book in Book.objects.select_related("author").in_bulk().values())


@fixed
def a_page_of_a_paginator(request):
    page = Paginator(Book.objects.select_related("author").order_by("pk"), 20).page(1)
    return answer(book.author.name for book in page)


@fixed
def latest_of_a_relation(request):
    books = Book.objects.prefetch_related(Prefetch("reviews", Review.objects.order_by("pk"), to_attr="sorted_reviews"))
    return answer(book.sorted_reviews[-1].stars for book in books)


@fixed
def prefetch_defeated_by_first(request):
    return answer(book.reviews.all()[0].stars for book in Book.objects.prefetch_related("reviews"))


@fixed
def absence_of_a_one_to_one(request):
    return answer(hasattr(author, "profile") for author in Author.objects.select_related("profile"))


@fixed
def content_type_of_each(request):
    return answer(comment.content_type.model for comment in Comment.objects.select_related("content_type"))


@fixed
def count_below_a_join(request):
    return answer(Book.objects.annotate(number=Count("author__books")).values_list("number", flat=True))


@fixed
def column_of_a_joined_row(request):
    books = Book.objects.select_related("author").only("title", "author__name")
    return answer(book.author.name for book in books)


@fixed
def dictionaries(request):
    return answer(row["author__name"] for row in list(Book.objects.values("author__name")))


@fixed
def tuples(request):
    rows = list(Book.objects.values_list("pk", "author_id"))
    authors = Author.objects.in_bulk([author for _, author in rows])
    return answer([authors[row[1]].name for row in rows])


@fixed
def mapped(request):
    books = list(Book.objects.select_related("author"))
    return answer(map(lambda book: book.author.name, books))  # noqa: C417 - as in the loop


@fixed
def tree(request):
    parts = {}
    for subject in Subject.objects.all():
        parts.setdefault(subject.parent_id, []).append(subject)

    def names(subject):
        return [subject.name, *(names(part) for part in parts.get(subject.pk, ()))]

    return answer(names(subject) for subject in parts[None])


@fixed
def membership_of_each(request):
    tag = Tag.objects.first()
    return answer(book.tags.contains(tag) for book in Book.objects.prefetch_related("tags"))


@fixed(method="post")
def update_or_create(request):
    Tag.objects.bulk_create(
        [Tag(pk=book.pk, name=f"of {book.pk}") for book in Book.objects.all()],
        update_conflicts=True,
        update_fields=["name"],
        unique_fields=["id"],
    )
    return answer([])


@fixed(method="post")
def create_through_a_relation(request):
    Review.objects.bulk_create(Review(book=book, stars=1) for book in Book.objects.all())
    return answer([])


@fixed(method="post")
def save_of_a_joined_row(request):
    authors = [book.author for book in Book.objects.select_related("author")]
    Author.objects.bulk_update(authors, ["name"])
    return answer([])


@fixed(method="post")
def set_of_many_to_many(request):
    tag = Tag.objects.first()
    through = Book.tags.through
    through.objects.all().delete()
    through.objects.bulk_create(through(book=book, tag=tag) for book in Book.objects.all())
    return answer([])


@fixed(method="post")
def clear_of_many_to_many(request):
    return answer([Book.tags.through.objects.filter(book__in=Book.objects.all()).delete()[0]])


@fixed(method="post")
def delete_by_filter(request):
    return answer([Review.objects.filter(book__in=Book.objects.all()).delete()[0]])


@fixed(method="post")
def batch_of_one(request):
    Tag.objects.bulk_create([Tag(name=book.title) for book in Book.objects.all()])
    return answer([])


@fixed(method="post")
def create_from_the_body(request):
    Tag.objects.bulk_create(Tag(name=item["name"]) for item in json.loads(request.body))
    return answer([])


@fixed(method="post")
def lookup_from_the_body(request):
    names = [item["name"] for item in json.loads(request.body)]
    known = set(Country.objects.filter(name__in=names).values_list("name", flat=True))
    return answer(name in known for name in names)


@fixed(method="post")
def delete_of_a_through_row(request):
    books = Book.objects.aggregate(latest=Max("pk"))["latest"]
    return answer([Placement.objects.filter(book__lte=books).delete()[0]])
