"""A small library: every kind of relation that can be looped over."""

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models


class Country(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Author(models.Model):
    name = models.CharField(max_length=50)
    country = models.ForeignKey(Country, models.CASCADE)

    def __str__(self):
        return self.name


class Profile(models.Model):
    author = models.OneToOneField(Author, models.CASCADE)
    biography = models.TextField()

    def __str__(self):
        return self.biography


class Tag(models.Model):
    name = models.CharField(max_length=50)

    def __str__(self):
        return self.name


class Book(models.Model):
    title = models.CharField(max_length=50)
    summary = models.TextField()
    author = models.ForeignKey(Author, models.CASCADE, related_name="books")
    tags = models.ManyToManyField(Tag, related_name="books")
    comments = GenericRelation("Comment")

    def __str__(self):
        return self.title

    @property
    def latest_review(self):
        return self.reviews.order_by("-id").first()


class Review(models.Model):
    book = models.ForeignKey(Book, models.CASCADE, related_name="reviews")
    stars = models.IntegerField()

    def __str__(self):
        return str(self.stars)


class Comment(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.BigIntegerField()
    subject = GenericForeignKey()
    text = models.CharField(max_length=50)

    def __str__(self):
        return self.text


class Entry(models.Model):
    """On the second database."""

    book_id = models.BigIntegerField()
    text = models.CharField(max_length=50)

    def __str__(self):
        return self.text
