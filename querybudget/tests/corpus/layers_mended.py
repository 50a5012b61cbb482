"""The views of `layers`, without the loop."""

from django import forms
from django.db.models import Count, Prefetch, Q
from django.http import HttpResponse
from django.shortcuts import render
from django.views.generic import ListView
from rest_framework.generics import ListAPIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from querybudget.tests.corpus import serializers
from querybudget.tests.corpus.cases import fixed
from querybudget.tests.corpus.layers import BylineChoice
from querybudget.tests.corpus.loops import answer, serialized
from querybudget.tests.corpus.models import Author, Book, Review, Tag


@fixed
def property_with_a_relation(request):
    return answer(book.byline for book in Book.objects.select_related("author"))


@fixed
def cached_property_of_each(request):
    return answer(book.first_tag.name for book in Book.objects.prefetch_related("tags"))


class BookList(ListView):
    queryset = Book.objects.select_related("author")
    template_name = "corpus/books.html"


list_view = fixed(BookList.as_view(), name="list_view")


@fixed
def template_with_a_count(request):
    return render(request, "corpus/reviews.html", {"books": Book.objects.prefetch_related("reviews")})


class ChoosingForm(forms.Form):
    book = BylineChoice(Book.objects.select_related("author"))


@fixed
def form_choices(request):
    return HttpResponse(str(ChoosingForm()["book"]))


class BookViews(ListAPIView):
    queryset = Book.objects.prefetch_related("reviews").order_by("pk")
    serializer_class = serializers.MethodBook


serializer_in_a_method = fixed(BookViews.as_view(), name="serializer_in_a_method")


class SlugViews(ReadOnlyModelViewSet):
    queryset = Book.objects.select_related("author").prefetch_related("tags").order_by("pk")
    serializer_class = serializers.SlugBook


slug_related_field = fixed(SlugViews.as_view({"get": "list"}), name="slug_related_field")


@fixed
def own_representation(request):
    good = Prefetch("reviews", Review.objects.order_by("stars"))
    return serialized(serializers.OwnBook, Book.objects.prefetch_related(good))


@fixed
def serializer_of_a_property(request):
    return serialized(serializers.BylineBook, Book.objects.select_related("author"))


@fixed(method="post")
def list_of_new_rows(request):
    data = [{"name": f"new {book.pk}"} for book in Book.objects.all()]
    serializer = serializers.NewTag(data=data, many=True)
    serializer.is_valid(raise_exception=True)
    Tag.objects.bulk_create(Tag(**item) for item in serializer.validated_data)
    return answer([])


@fixed(method="post")
def nested_new_rows(request):
    reviews = [{"stars": 1} for _ in Book.objects.all()]
    book = Book.objects.create(title="new", author=Author.objects.first())
    Review.objects.bulk_create(Review(book=book, **item) for item in reviews)
    return answer([])


@fixed(method="post")
def list_of_related_keys(request):
    keys = [author.pk for author in Author.objects.all()]
    return answer([Author.objects.filter(pk__in=keys).aggregate(number=Count("pk"))["number"]])


@fixed(method="post")
def signal_of_a_save(request):
    tags = list(Tag.objects.all())
    for tag in tags:
        tag.name = f"counted {tag.pk}"
    return answer([Tag.objects.bulk_update(tags, ["name"])])


@fixed
async def asynchronous_gather(request):
    books = Book.objects.annotate(number=Count("reviews"))
    return answer([book.number async for book in books])


@fixed
async def asynchronous_refresh(request):
    return answer([book.title async for book in Book.objects.all()])


@fixed(method="post")
async def asynchronous_create(request):
    reviews = [Review(book=book, stars=1) async for book in Book.objects.all()]
    await Review.objects.abulk_create(reviews)
    return answer([])


@fixed
def method_field_filtered_count(request):
    books = Book.objects.annotate(best=Count("reviews", filter=Q(reviews__stars=5)))
    return answer([book.best for book in books])
