"""Loops that somebody else runs: templates, forms, serializers, properties, signals, async code."""

import asyncio

from django import forms
from django.db.models.signals import pre_save
from django.dispatch import receiver
from django.http import HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.generic import ListView
from rest_framework.generics import ListAPIView
from rest_framework.viewsets import ReadOnlyModelViewSet

from querybudget.tests.corpus import serializers
from querybudget.tests.corpus.cases import loop
from querybudget.tests.corpus.loops import answer, serialized
from querybudget.tests.corpus.models import Author, Book, Review, Tag


@loop
def property_with_a_relation(request):
    return answer(book.byline for book in Book.objects.all())


@loop
def cached_property_of_each(request):
    return answer(book.first_tag.name for book in Book.objects.all())


class BookList(ListView):
    model = Book
    template_name = "corpus/books.html"


list_view = loop(BookList.as_view(), name="list_view")


@loop
def template_with_a_count(request):
    return render(request, "corpus/reviews.html", {"books": Book.objects.all()})


class BylineChoice(forms.ModelChoiceField):
    def label_from_instance(self, book):
        return book.author.name


class ChoosingForm(forms.Form):
    book = BylineChoice(Book.objects.all())


@loop
def form_choices(request):
    return HttpResponse(str(ChoosingForm()["book"]))


class BookViews(ListAPIView):
    queryset = Book.objects.order_by("pk")
    serializer_class = serializers.MethodBook


serializer_in_a_method = loop(BookViews.as_view(), name="serializer_in_a_method")


class SlugViews(ReadOnlyModelViewSet):
    queryset = Book.objects.order_by("pk")
    serializer_class = serializers.SlugBook


slug_related_field = loop(SlugViews.as_view({"get": "list"}), name="slug_related_field")


@loop
def own_representation(request):
    return serialized(serializers.OwnBook, Book.objects.all())


@loop
def serializer_of_a_property(request):
    return serialized(serializers.BylineBook, Book.objects.all())


@loop(method="post")
def list_of_new_rows(request):
    data = [{"name": f"new {book.pk}"} for book in Book.objects.all()]
    serializer = serializers.NewTag(data=data, many=True)
    serializer.is_valid(raise_exception=True)
    serializer.save()
    return answer([])


@loop(method="post")
def nested_new_rows(request):
    reviews = [{"stars": 1} for _ in Book.objects.all()]
    author = Author.objects.first()
    serializer = serializers.NewReviewedBook(data={"title": "new", "author": author.pk, "reviews": reviews})
    serializer.is_valid(raise_exception=True)
    serializer.save()
    return answer([])


@loop(method="post")
def list_of_related_keys(request):
    data = [{"title": "new", "author": author.pk} for author in Author.objects.all()]
    return answer([serializers.PlainNewBook(data=data, many=True).is_valid()])


@receiver(pre_save, sender=Tag)
def count_namesakes(sender, instance, **kwargs):
    if instance.name.startswith("counted"):
        Tag.objects.filter(name=instance.name).count()


@loop(method="post")
def signal_of_a_save(request):
    for tag in Tag.objects.all():
        tag.name = f"counted {tag.pk}"
        tag.save()
    return answer([])


@loop
async def asynchronous_gather(request):
    counts = await asyncio.gather(*[book.reviews.acount() async for book in Book.objects.all()])
    return JsonResponse({"values": counts})


@loop
async def asynchronous_refresh(request):
    books = [book async for book in Book.objects.all()]
    for book in books:
        await book.arefresh_from_db()
    return answer([])


@loop(method="post")
async def asynchronous_create(request):
    async for book in Book.objects.all():
        await Review.objects.acreate(book=book, stars=1)
    return answer([])


@loop
def method_field_filtered_count(request):
    return serialized(serializers.BestCountBook, Book.objects.all())
