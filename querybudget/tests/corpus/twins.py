"""The views of `loops`, without the loop; each has the name of the one it mends."""

from django.db import connection
from django.db.models import Avg, Count, Exists, OuterRef, Prefetch, Subquery
from django.http import HttpResponse, StreamingHttpResponse
from django.template import engines

from querybudget.tests.corpus import serializers
from querybudget.tests.corpus.cases import fixed
from querybudget.tests.corpus.loops import answer, serialized
from querybudget.tests.corpus.models import Author, Book, Comment, Entry, Profile, Review, Tag


@fixed
def foreign_key(request):
    return answer(book.author.name for book in Book.objects.select_related("author"))


@fixed
def foreign_key_chain(request):
    return answer(book.author.country.name for book in Book.objects.select_related("author__country"))


@fixed
def reverse_foreign_key(request):
    return answer(book.title for author in Author.objects.prefetch_related("books") for book in author.books.all())


@fixed
def many_to_many(request):
    return answer(tag.name for book in Book.objects.prefetch_related("tags") for tag in book.tags.all())


@fixed
def one_to_one(request):
    return answer(profile.author.name for profile in Profile.objects.select_related("author"))


@fixed
def reverse_one_to_one(request):
    return answer(author.profile.biography for author in Author.objects.select_related("profile"))


@fixed
def generic_foreign_key(request):
    return answer(comment.subject.title for comment in Comment.objects.prefetch_related("subject"))


@fixed
def generic_relation(request):
    return answer(c.text for book in Book.objects.prefetch_related("comments") for c in book.comments.all())


@fixed
def template(request):
    page = engines["django"].from_string("{% for book in books %}{{ book.author.name }}{% endfor %}")
    return HttpResponse(page.render({"books": Book.objects.select_related("author")}))


@fixed
def nested_serializer(request):
    return serialized(serializers.NestedBook, Book.objects.select_related("author__country"))


@fixed
def nested_many_serializer(request):
    return serialized(serializers.ShelfSerializer, Author.objects.prefetch_related("books__tags"))


@fixed
def dotted_source(request):
    return serialized(serializers.DottedBook, Book.objects.select_related("author__country"))


@fixed
def primary_keys_of_many_to_many(request):
    return serialized(serializers.TaggedBook, Book.objects.prefetch_related("tags"))


@fixed
def string_related_field(request):
    return serialized(serializers.StringBook, Book.objects.prefetch_related("author"))


@fixed
def method_field_first(request):
    best = Review.objects.filter(book=OuterRef("pk"), stars=5).values("stars")[:1]
    return answer(Book.objects.annotate(best=Subquery(best)).values_list("best", flat=True))


@fixed
def method_field_count(request):
    return answer(Book.objects.annotate(number=Count("reviews")).values_list("number", flat=True))


@fixed
def method_field_exists(request):
    reviewed = Exists(Review.objects.filter(book=OuterRef("pk"), stars__gte=3))
    return answer(Book.objects.annotate(reviewed=reviewed).values_list("reviewed", flat=True))


@fixed
def aggregate(request):
    return answer(Book.objects.annotate(mean=Avg("reviews__stars")).values_list("mean", flat=True))


@fixed
def prefetch_defeated_by_filter(request):
    best = Prefetch("reviews", Review.objects.filter(stars=5), to_attr="best")
    return answer(review.stars for book in Book.objects.prefetch_related(best) for review in book.best)


@fixed
def prefetch_defeated_by_order(request):
    books = Book.objects.prefetch_related(Prefetch("reviews", Review.objects.order_by("-stars")))
    return answer(book.reviews.all()[0].stars for book in books)


@fixed
def prefetch_defeated_by_values(request):
    return answer([tag.name for tag in book.tags.all()] for book in Book.objects.prefetch_related("tags"))


@fixed
def deferred_column(request):
    return answer(book.summary for book in Book.objects.all())


@fixed
def only_without_the_column(request):
    return answer(book.summary for book in Book.objects.only("summary"))


@fixed
def model_property(request):
    books = Book.objects.prefetch_related("reviews")
    return answer(max(book.reviews.all(), key=lambda review: review.pk).stars for book in books)


@fixed
def refresh(request):
    list(Book.objects.all())
    return answer(book.title for book in Book.objects.only("title"))


@fixed
def raw_sql(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT book_id, max(stars) FROM corpus_review GROUP BY book_id")
        return answer(cursor.fetchall())


@fixed
def f_string_sql(request):
    keys = ", ".join(str(book.pk) for book in Book.objects.all())
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT book_id, max(stars) FROM corpus_review WHERE book_id IN ({keys}) GROUP BY book_id")  # noqa: S608
        return answer(list(cursor))


@fixed
def raw_queryset(request):
    query = "SELECT * FROM corpus_author WHERE id IN (SELECT author_id FROM corpus_book)"
    return answer(author.name for author in Author.objects.raw(query))


@fixed
def lookup_by_key(request):
    authors = Author.objects.in_bulk([book.author_id for book in Book.objects.all()])
    return answer(author.name for author in authors.values())


@fixed(method="post")
def validators(request):
    data = [{"title": f"new {book.pk}"} for book in Book.objects.all()]
    valid = serializers.PlainTitle(data=data, many=True).is_valid()
    taken = Book.objects.filter(title__in=[item["title"] for item in data]).exists()
    return answer([valid and not taken])


@fixed(method="post")
def signals(request):
    Review.objects.bulk_update(Review.objects.filter(stars=5), ["stars"])
    return answer([])


@fixed(method="post")
def get_or_create(request):
    Tag.objects.bulk_create(Tag(name=f"of {book.pk}") for book in Book.objects.all())
    return answer([])


@fixed(method="post")
def save(request):
    books = list(Book.objects.all())
    for book in books:
        book.title += "!"
    Book.objects.bulk_update(books, ["title"])
    return answer([])


@fixed(method="post")
def create(request):
    Review.objects.bulk_create(Review(book=book, stars=1) for book in Book.objects.all())
    return answer([])


@fixed(method="post")
def update_one_by_one(request):
    return answer([Book.objects.update(title="!")])


@fixed(method="post")
def delete(request):
    return answer([Review.objects.all().delete()[0]])


@fixed(method="post")
def add_to_many_to_many(request):
    tag = Tag.objects.create(name="all")
    tag.books.add(*Book.objects.all())
    return answer([])


@fixed(method="post")
def save_from_a_list(request):
    books = list(Book.objects.all())
    for book in books:
        book.title += "!"
    Book.objects.bulk_update(books, ["title"])
    return answer([])


@fixed
def lookup_from_a_list(request):
    books = list(Book.objects.select_related("author"))
    return answer([book.author.name for book in books])


@fixed
def lookup_by_listed_keys(request):
    authors = Author.objects.filter(pk__in=list(Book.objects.values_list("author_id", flat=True)))
    return answer(author.name for author in authors)


@fixed
def method_field_lookup_in_a_page(request):
    page = list(Book.objects.select_related("author").order_by("pk")[:20])
    return answer(serializers.NamedBook(page, many=True).data)


@fixed
def second_database(request):
    return answer(entry.text for entry in Entry.objects.filter(book_id__in=[book.pk for book in Book.objects.all()]))


@fixed
def streaming(request):
    return StreamingHttpResponse(book.author.name for book in Book.objects.select_related("author"))


@fixed
async def asynchronous(request):
    return answer([book.author.name async for book in Book.objects.select_related("author")])


@fixed
async def asynchronous_through_threads(request):
    return answer([book.author.name async for book in Book.objects.prefetch_related("author")])


@fixed
async def asynchronous_streaming(request):
    async def body():
        async for book in Book.objects.select_related("author__country"):
            yield book.author.country.name

    return StreamingHttpResponse(body())
