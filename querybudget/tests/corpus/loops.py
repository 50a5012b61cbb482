"""Views with a loop, one for each way to write one."""

from asgiref.sync import sync_to_async
from django.db import connection
from django.db.models import Avg
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.template import engines

from querybudget.tests.corpus import serializers
from querybudget.tests.corpus.cases import loop
from querybudget.tests.corpus.models import Author, Book, Comment, Country, Entry, Profile, Review, Tag


def answer(values):
    return JsonResponse({"values": list(values)})


def serialized(serializer, queryset):
    return JsonResponse({"values": serializer(queryset, many=True).data})


@loop
def foreign_key(request):
    return answer(book.author.name for book in Book.objects.all())


@loop
def foreign_key_chain(request):
    return answer(book.author.country.name for book in Book.objects.select_related("author"))


@loop
def reverse_foreign_key(request):
    return answer(book.title for author in Author.objects.all() for book in author.books.all())


@loop
def many_to_many(request):
    return answer(tag.name for book in Book.objects.all() for tag in book.tags.all())


@loop
def one_to_one(request):
    return answer(profile.author.name for profile in Profile.objects.all())


@loop
def reverse_one_to_one(request):
    return answer(author.profile.biography for author in Author.objects.all())


@loop
def generic_foreign_key(request):
    return answer(comment.subject.title for comment in Comment.objects.all())


@loop
def generic_relation(request):
    return answer(comment.text for book in Book.objects.all() for comment in book.comments.all())


@loop
def template(request):
    page = engines["django"].from_string("{% for book in books %}{{ book.author.name }}{% endfor %}")
    return HttpResponse(page.render({"books": Book.objects.all()}))


@loop
def nested_serializer(request):
    return serialized(serializers.NestedBook, Book.objects.all())


@loop
def nested_many_serializer(request):
    return serialized(serializers.ShelfSerializer, Author.objects.all())


@loop
def dotted_source(request):
    return serialized(serializers.DottedBook, Book.objects.all())


@loop
def primary_keys_of_many_to_many(request):
    return serialized(serializers.TaggedBook, Book.objects.all())


@loop
def string_related_field(request):
    return serialized(serializers.StringBook, Book.objects.all())


@loop
def method_field_first(request):
    return serialized(serializers.FirstReviewBook, Book.objects.all())


@loop
def method_field_count(request):
    return serialized(serializers.CountBook, Book.objects.all())


@loop
def method_field_exists(request):
    return serialized(serializers.ExistsBook, Book.objects.all())


@loop
def aggregate(request):
    return answer(book.reviews.aggregate(mean=Avg("stars"))["mean"] for book in Book.objects.all())


@loop
def prefetch_defeated_by_filter(request):
    books = Book.objects.prefetch_related("reviews")
    return answer(review.stars for book in books for review in book.reviews.filter(stars=5))


@loop
def prefetch_defeated_by_order(request):
    books = Book.objects.prefetch_related("reviews")
    return answer(book.reviews.order_by("-stars")[0].stars for book in books)


@loop
def prefetch_defeated_by_values(request):
    books = Book.objects.prefetch_related("tags")
    return answer(list(book.tags.values_list("name", flat=True)) for book in books)


@loop
def deferred_column(request):
    return answer(book.summary for book in Book.objects.defer("summary"))


@loop
def only_without_the_column(request):
    return answer(book.summary for book in Book.objects.only("title"))


@loop
def model_property(request):
    return answer(book.latest_review.stars for book in Book.objects.all())


@loop
def refresh(request):
    books = list(Book.objects.all())
    for book in books:
        book.refresh_from_db(fields=["title"])
    return answer(book.title for book in books)


@loop
def raw_sql(request):
    stars = []
    with connection.cursor() as cursor:
        for book in Book.objects.all():
            cursor.execute("SELECT max(stars) FROM corpus_review WHERE book_id = %s", [book.pk])
            stars.append(cursor.fetchone()[0])
    return answer(stars)


@loop
def f_string_sql(request):
    stars = []
    with connection.cursor() as cursor:
        for book in Book.objects.all():
            cursor.execute(f"SELECT max(stars) FROM corpus_review WHERE book_id = {book.pk}")  # noqa: S608
            stars.append(cursor.fetchone()[0])
    return answer(stars)


@loop
def raw_queryset(request):
    query = "SELECT * FROM corpus_author WHERE id = %s"
    return answer(Author.objects.raw(query, [book.author_id])[0].name for book in Book.objects.all())


@loop
def lookup_by_key(request):
    return answer(Author.objects.get(pk=book.author_id).name for book in Book.objects.all())


@loop(method="post")
def validators(request):
    data = [{"title": f"new {book.pk}"} for book in Book.objects.all()]
    return answer([serializers.UniqueTitle(data=data, many=True).is_valid()])


@receiver(post_save, sender=Review)
def rate(sender, instance, **kwargs):
    if instance.stars == 5:
        Review.objects.filter(book=instance.book_id).count()


@loop(method="post")
def signals(request):
    for review in Review.objects.filter(stars=5):
        post_save.send(Review, instance=review)  # as `save` does
    return answer([])


@loop(method="post")
def get_or_create(request):
    for book in Book.objects.all():
        Tag.objects.get_or_create(name=f"of {book.pk}")
    return answer([])


@loop(method="post")
def save(request):
    for book in Book.objects.all():
        book.title += "!"
        book.save()
    return answer([])


@loop(method="post")
def create(request):
    for book in Book.objects.all():
        Review.objects.create(book=book, stars=1)
    return answer([])


@loop(method="post")
def update_one_by_one(request):
    for book in Book.objects.all():
        Book.objects.filter(pk=book.pk).update(title="!")
    return answer([])


@loop(method="post")
def delete(request):
    for review in Review.objects.all():
        review.delete()
    return answer([])


@loop(method="post")
def add_to_many_to_many(request):
    tag = Tag.objects.create(name="all")
    for book in Book.objects.all():
        book.tags.add(tag)
    return answer([])


@loop(method="post")
def save_from_a_list(request):
    books = list(Book.objects.all())
    for book in books:
        book.title += "!"
        book.save(update_fields=["title"])
    return answer([])


@loop
def lookup_from_a_list(request):
    books = list(Book.objects.all())
    names = ""
    for book in books:
        names += Author.objects.get(pk=book.author_id).name
    return answer(names)


@loop
def lookup_by_listed_keys(request):
    return answer(Author.objects.get(pk=pk).name for pk in Book.objects.values_list("author_id", flat=True))


@loop
def method_field_lookup_in_a_page(request):
    page = list(Book.objects.order_by("pk")[:20])
    return answer(serializers.LookupBook(page, many=True).data)


@loop
def second_database(request):
    return answer(Entry.objects.get(book_id=book.pk).text for book in Book.objects.all())


@loop
def streaming(request):
    return StreamingHttpResponse(book.author.name for book in Book.objects.all())


@loop
async def asynchronous(request):
    names = []
    async for book in Book.objects.all():
        author = await Author.objects.aget(pk=book.author_id)
        names.append(author.name)
    return answer(names)


@loop
async def asynchronous_through_threads(request):
    read = sync_to_async(lambda book: book.author.name)
    return answer([await read(book) async for book in Book.objects.all()])


@loop
async def asynchronous_streaming(request):
    async def body():
        async for book in Book.objects.all():
            country = await Country.objects.aget(author=book.author_id)
            yield country.name

    return StreamingHttpResponse(body())
