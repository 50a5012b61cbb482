from django.contrib.contenttypes.models import ContentType

from querybudget.tests.corpus.models import (
    Author,
    Book,
    Comment,
    Country,
    Entry,
    Library,
    Placement,
    Profile,
    Review,
    Shelf,
    Subject,
    Tag,
)

ITEMS = []
"""What a POST sends: an item for each author of the latest `make`."""


def make(number):
    """`number` authors of different countries, each with a profile and a book with everything a book can have."""
    ITEMS[:] = [{"name": f"country {index}"} for index in range(number)]
    book_type = ContentType.objects.get_for_model(Book)
    countries = Country.objects.bulk_create(Country(name=f"country {index}") for index in range(number))
    authors = Author.objects.bulk_create(
        Author(name=f"author {index}", country=country) for index, country in enumerate(countries)
    )
    Profile.objects.bulk_create(Profile(author=author, biography="…") for author in authors)
    books = Book.objects.bulk_create(Book(title=f"book {author.pk}", summary="…", author=author) for author in authors)
    Review.objects.bulk_create(Review(book=book, stars=stars) for book in books for stars in (3, 5))
    Comment.objects.bulk_create(Comment(content_type=book_type, object_id=book.pk, text="…") for book in books)
    Entry.objects.bulk_create(Entry(book_id=book.pk, text="…") for book in books)
    tags = Tag.objects.bulk_create(Tag(name=f"tag {index}") for index in range(number))
    for book, tag in zip(books, tags, strict=True):
        book.tags.add(tag)
    shelves = Shelf.objects.bulk_create(Shelf(label=f"shelf {index}") for index in range(number))
    Placement.objects.bulk_create(Placement(shelf=shelf, book=book) for shelf, book in zip(shelves, books, strict=True))
    for country in countries:
        Library.objects.create(name=f"library of {country}", country=country, seats=10)
    roots = Subject.objects.bulk_create(Subject(name=f"subject {index}") for index in range(number))
    Subject.objects.bulk_create(Subject(name=f"part of {root}", parent=root) for root in roots)
