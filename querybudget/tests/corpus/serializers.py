"""Serializers that loop unless the view loads what they read."""

from rest_framework import serializers
from rest_framework.validators import UniqueValidator

from querybudget.tests.corpus.models import Author, Book, Country, Review, Tag


class CountrySerializer(serializers.ModelSerializer):
    class Meta:
        model = Country
        fields = ["name"]


class AuthorSerializer(serializers.ModelSerializer):
    country = CountrySerializer()

    class Meta:
        model = Author
        fields = ["name", "country"]


class NestedBook(serializers.ModelSerializer):
    author = AuthorSerializer()

    class Meta:
        model = Book
        fields = ["title", "author"]


class DottedBook(serializers.ModelSerializer):
    country = serializers.CharField(source="author.country.name")

    class Meta:
        model = Book
        fields = ["title", "country"]


class TaggedBook(serializers.ModelSerializer):
    tags = serializers.PrimaryKeyRelatedField(many=True, read_only=True)

    class Meta:
        model = Book
        fields = ["title", "tags"]


class StringBook(serializers.ModelSerializer):
    author = serializers.StringRelatedField()

    class Meta:
        model = Book
        fields = ["title", "author"]


class ShelfSerializer(serializers.ModelSerializer):
    books = TaggedBook(many=True)

    class Meta:
        model = Author
        fields = ["name", "books"]


class FirstReviewBook(serializers.ModelSerializer):
    best = serializers.SerializerMethodField()

    class Meta:
        model = Book
        fields = ["title", "best"]

    def get_best(self, book):
        review = book.reviews.filter(stars=5).first()
        return review and review.stars


class CountBook(serializers.ModelSerializer):
    reviews = serializers.SerializerMethodField()

    class Meta:
        model = Book
        fields = ["title", "reviews"]

    def get_reviews(self, book):
        return book.reviews.count()


class ExistsBook(serializers.ModelSerializer):
    reviewed = serializers.SerializerMethodField()

    class Meta:
        model = Book
        fields = ["title", "reviewed"]

    def get_reviewed(self, book):
        return book.reviews.filter(stars__gte=3).exists()


class UniqueTitle(serializers.Serializer):
    title = serializers.CharField(validators=[UniqueValidator(Book.objects.all())])


class PlainTitle(serializers.Serializer):
    title = serializers.CharField()


class NewBook(serializers.ModelSerializer):
    class Meta:
        model = Book
        fields = ["title", "author"]
        extra_kwargs = {"title": {"validators": [UniqueValidator(Book.objects.all())]}}


class LookupBook(serializers.ModelSerializer):
    author = serializers.SerializerMethodField()

    class Meta:
        model = Book
        fields = ["title", "author"]

    def get_author(self, book):
        return Author.objects.get(pk=book.author_id).name


class NamedBook(serializers.ModelSerializer):
    author = serializers.CharField(source="author.name")

    class Meta:
        model = Book
        fields = ["title", "author"]


class ReviewSerializer(serializers.ModelSerializer):
    class Meta:
        model = Review
        fields = ["stars"]


class MethodBook(serializers.ModelSerializer):
    reviews = serializers.SerializerMethodField()

    class Meta:
        model = Book
        fields = ["title", "reviews"]

    def get_reviews(self, book):
        return ReviewSerializer(book.reviews.all(), many=True).data


class SlugBook(serializers.ModelSerializer):
    author = serializers.SlugRelatedField("name", read_only=True)
    tags = serializers.SlugRelatedField("name", many=True, read_only=True)

    class Meta:
        model = Book
        fields = ["title", "author", "tags"]


class OwnBook(serializers.ModelSerializer):
    class Meta:
        model = Book
        fields = ["title"]

    def to_representation(self, book):
        return {**super().to_representation(book), "stars": [review.stars for review in book.reviews.all()]}


class BylineBook(serializers.ModelSerializer):
    class Meta:
        model = Book
        fields = ["byline"]


class NewTag(serializers.ModelSerializer):
    class Meta:
        model = Tag
        fields = ["name"]


class PlainNewBook(serializers.ModelSerializer):
    class Meta:
        model = Book
        fields = ["title", "author"]


class NewReviewedBook(serializers.ModelSerializer):
    reviews = ReviewSerializer(many=True)

    class Meta:
        model = Book
        fields = ["title", "author", "reviews"]

    def create(self, validated_data):
        reviews = validated_data.pop("reviews")
        book = Book.objects.create(**validated_data)
        for review in reviews:
            Review.objects.create(book=book, **review)
        return book


class NewTags(serializers.ListSerializer):
    def create(self, validated_data):
        return Tag.objects.bulk_create(Tag(**item) for item in validated_data)


class BestCountBook(serializers.ModelSerializer):
    best = serializers.SerializerMethodField()

    class Meta:
        model = Book
        fields = ["title", "best"]

    def get_best(self, book):
        return book.reviews.filter(stars=5).count()
