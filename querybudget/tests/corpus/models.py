"""A small library: every kind of relation that can be looped over."""

from django.contrib.contenttypes.fields import GenericForeignKey, GenericRelation
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils.functional import cached_property


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

    @cached_property
    def first_tag(self):
        return self.tags.all()[0]

    @property
    def byline(self):
        return f"{self.title}, {self.author.name}"


class ReviewQuerySet(models.QuerySet):
    def good(self):
        return self.filter(stars__gte=4)


class Review(models.Model):
    book = models.ForeignKey(Book, models.CASCADE, related_name="reviews")
    stars = models.IntegerField()

    objects = ReviewQuerySet.as_manager()

    def __str__(self):
        return str(self.stars)


class Comment(models.Model):
    content_type = models.ForeignKey(ContentType, models.CASCADE)
    object_id = models.BigIntegerField()
    subject = GenericForeignKey()
    text = models.CharField(max_length=50)

    def __str__(self):
        return self.text


class Bestseller(Book):
    class Meta:
        proxy = True


class Shelf(models.Model):
    label = models.CharField(max_length=50)
    books = models.ManyToManyField(Book, through="Placement", related_name="shelves")

    def __str__(self):
        return self.label


class Placement(models.Model):
    shelf = models.ForeignKey(Shelf, models.CASCADE, related_name="placements")
    book = models.ForeignKey(Book, models.CASCADE, related_name="placements")

    def __str__(self):
        return str(self.pk)


class Place(models.Model):
    name = models.CharField(max_length=50)
    country = models.ForeignKey(Country, models.CASCADE, null=True)

    def __str__(self):
        return self.name


class Library(Place):
    """A child table of its own."""

    seats = models.IntegerField()


class Subject(models.Model):
    """A tree; its rows are always read through a manager with a queryset of its own."""

    name = models.CharField(max_length=50)
    parent = models.ForeignKey("self", models.CASCADE, null=True, related_name="parts")

    def __str__(self):
        return self.name


class Entry(models.Model):
    """On the second database."""

    book_id = models.BigIntegerField()
    text = models.CharField(max_length=50)

    def __str__(self):
        return self.text
