"""What is wrong with each loop of the corpus, where, and what to write instead."""

from typing import NamedTuple

from querybudget.findings import Kind


class Label(NamedTuple):
    """A finding that a case must have. `relation`: without the app. `line`: the file and how its text begins there."""

    case: str
    kind: Kind
    relation: str
    line: str
    advice: str


# fmt: off
LABELS = [
    Label('foreign_key', 'n_plus_one', 'Book.author', 'loops.py: …book.author.name for book in Book.objects.all())', '.select_related("author")'),
    Label('foreign_key_chain', 'n_plus_one', 'Author.country', 'loops.py: …book.author.country.name for book in Book.objects.select_re', '.select_related("author__country")'),
    Label('reverse_foreign_key', 'n_plus_one', 'Author.books', 'loops.py: …book.title for author in Author.objects.all() for book in a', '.prefetch_related("books")'),
    Label('many_to_many', 'n_plus_one', 'Book.tags', 'loops.py: …tag.name for book in Book.objects.all() for tag in book.tag', '.prefetch_related("tags")'),
    Label('one_to_one', 'n_plus_one', 'Profile.author', 'loops.py: …profile.author.name for profile in Profile.objects.all())', '.select_related("author")'),
    Label('reverse_one_to_one', 'n_plus_one', 'Author.profile', 'loops.py: …author.profile.biography for author in Author.objects.all()', '.select_related("profile")'),
    Label('generic_foreign_key', 'n_plus_one', 'Comment.subject', 'loops.py: …comment.subject.title for comment in Comment.objects.all())', '.prefetch_related("subject")'),
    Label('generic_relation', 'n_plus_one', 'Book.comments', 'loops.py: …comment.text for book in Book.objects.all() for comment in ', '.prefetch_related("comments")'),
    Label('template', 'n_plus_one', 'Book.author', 'loops.py: return HttpResponse(page.render({"books": Book.objects.all()', '.select_related("author")'),
    Label('nested_serializer', 'n_plus_one', 'Author.country', 'serializers.py: country = CountrySerializer()', '.select_related("author__country")'),
    Label('nested_serializer', 'n_plus_one', 'Book.author', 'serializers.py: author = AuthorSerializer()', '.select_related("author")'),
    Label('nested_many_serializer', 'n_plus_one', 'Author.books', 'serializers.py: books = TaggedBook(many=True)', '.prefetch_related("books")'),
    Label('nested_many_serializer', 'n_plus_one', 'Book.tags', 'serializers.py: tags = serializers.PrimaryKeyRelatedField(many=True, r', '.prefetch_related("books__tags")'),
    Label('dotted_source', 'n_plus_one', 'Author.country', 'serializers.py: country = serializers.CharField(source="author.country', '.select_related("author__country")'),
    Label('dotted_source', 'n_plus_one', 'Book.author', 'serializers.py: country = serializers.CharField(source="author.country', '.select_related("author")'),
    Label('primary_keys_of_many_to_many', 'n_plus_one', 'Book.tags', 'serializers.py: tags = serializers.PrimaryKeyRelatedField(many=True, r', '.prefetch_related("tags")'),
    Label('string_related_field', 'n_plus_one', 'Book.author', 'serializers.py: author = serializers.StringRelatedField()', '.select_related("author")'),
    Label('method_field_first', 'n_plus_one', 'Book.reviews', 'serializers.py: review = book.reviews.filter(stars=5).first()', 'Prefetch("reviews", Review.objects.filter(stars=5), to_attr="matching_reviews")'),
    Label('method_field_count', 'n_plus_one', 'Book.reviews', 'serializers.py: return book.reviews.count()', '.annotate(reviews_count=Count("reviews"))'),
    Label('method_field_exists', 'n_plus_one', 'Book.reviews', 'serializers.py: return book.reviews.filter(stars__gte=3).exists()', '.annotate(has_reviews=Exists(Review.objects.filter(book=OuterRef("pk"), stars__gte=3)))'),
    Label('aggregate', 'n_plus_one', 'Book.reviews', 'loops.py: …book.reviews.aggregate(mean=Avg("stars"))["mean"] for book ', '.annotate(mean=Avg("reviews__stars"))'),
    Label('prefetch_defeated_by_filter', 'n_plus_one', 'Book.reviews', 'loops.py: …review.stars for book in books for review in book.reviews.f', 'Prefetch("reviews", Review.objects.filter(stars=5), to_attr="matching_reviews")'),
    Label('prefetch_defeated_by_order', 'n_plus_one', 'Book.reviews', 'loops.py: …book.reviews.order_by("-stars")[0].stars for book in books)', 'Prefetch("reviews", Review.objects.order_by("-stars"), to_attr="sorted_reviews")'),
    Label('prefetch_defeated_by_values', 'n_plus_one', 'Book.tags', 'loops.py: …list(book.tags.values_list("name", flat=True)) for book in ', '.prefetch_related("tags")'),
    Label('deferred_column', 'n_plus_one', 'Book.summary', 'loops.py: …book.summary for book in Book.objects.defer("summary"))', '.only(…, "summary"), or no .defer("summary")'),
    Label('only_without_the_column', 'n_plus_one', 'Book.summary', 'loops.py: …book.summary for book in Book.objects.only("title"))', '.only(…, "summary"), or no .defer("summary")'),
    Label('model_property', 'n_plus_one', 'Book.reviews', 'models.py: return self.reviews.order_by("-id").first()', 'Prefetch("reviews", Review.objects.order_by("-id"), to_attr="sorted_reviews")'),
    Label('refresh', 'n_plus_one', '', 'loops.py: book.refresh_from_db(fields=["title"])', 'the row was just loaded: drop refresh_from_db(), or load it where it is needed'),
    Label('raw_sql', 'n_plus_one', '', 'loops.py: cursor.execute("SELECT max(stars) FROM corpus_review WHERE b', 'one statement for all rows, before the loop: WHERE … IN (…) or GROUP BY'),
    Label('f_string_sql', 'n_plus_one', '', 'loops.py: cursor.execute(f"SELECT max(stars) FROM corpus_review WHERE ', 'one statement for all rows, before the loop: WHERE … IN (…) or GROUP BY'),
    Label('raw_queryset', 'n_plus_one', '', 'loops.py: …Author.objects.raw(query, [book.author_id])[0].name for boo', 'one statement for all rows, before the loop: WHERE … IN (…) or GROUP BY'),
    Label('lookup_by_key', 'n_plus_one', '', 'loops.py: …Author.objects.get(pk=book.author_id).name for book in Book', '.select_related("author"), and read .author of the row'),
    Label('validators', 'n_plus_one', '', 'loops.py: …[serializers.UniqueTitle(data=data, many=True).is_valid()])', 'validate all items with one query: Book.objects.filter(title__in=[…])'),
    Label('signals', 'n_plus_one', '', 'loops.py: Review.objects.filter(book=instance.book_id).count()', 'one statement for all rows, before the loop: Review.objects.filter(book__in=[…])'),
    Label('get_or_create', 'write_n_plus_one', '', 'loops.py: Tag.objects.get_or_create(name=f"of {book.pk}")', 'Tag.objects.bulk_create([…], ignore_conflicts=True)'),
    Label('save', 'write_n_plus_one', '', 'loops.py: book.save()', 'Book.objects.bulk_update([…], […])'),
    Label('create', 'write_n_plus_one', '', 'loops.py: Review.objects.create(book=book, stars=1)', 'Review.objects.bulk_create([…])'),
    Label('update_one_by_one', 'write_n_plus_one', '', 'loops.py: Book.objects.filter(pk=book.pk).update(title="!")', 'Book.objects.filter(pk__in=[…]).update(…)'),
    Label('delete', 'write_n_plus_one', '', 'loops.py: review.delete()', 'Review.objects.filter(pk__in=[…]).delete()'),
    Label('add_to_many_to_many', 'write_n_plus_one', 'Book.tags', 'loops.py: book.tags.add(tag)', 'Book.tags.through.objects.bulk_create([…])'),
    Label('save_from_a_list', 'write_n_plus_one', '', 'loops.py: book.save(update_fields=["title"])', 'Book.objects.bulk_update([…], […])'),
    Label('lookup_from_a_list', 'n_plus_one', '', 'loops.py: names += Author.objects.get(pk=book.author_id).name', '.select_related("author"), and read .author of the row'),
    Label('lookup_by_listed_keys', 'n_plus_one', '', 'loops.py: …Author.objects.get(pk=pk).name for pk in Book.objects.value', '.select_related("author"), and read .author of the row'),
    Label('method_field_lookup_in_a_page', 'n_plus_one', '', 'serializers.py: return Author.objects.get(pk=book.author_id).name', '.select_related("author"), and read .author of the row'),
    Label('second_database', 'n_plus_one', '', 'loops.py: …Entry.objects.get(book_id=book.pk).text for book in Book.ob', 'one statement for all rows, before the loop: Entry.objects.filter(book_id__in=[…])'),
    Label('streaming', 'n_plus_one', 'Book.author', 'loops.py: return StreamingHttpResponse(book.author.name for book in Bo', '.select_related("author")'),
    Label('asynchronous', 'n_plus_one', '', 'loops.py: author = await Author.objects.aget(pk=book.author_id)', '.select_related("author"), and read .author of the row'),
    Label('asynchronous_through_threads', 'n_plus_one', 'Book.author', 'loops.py: read = sync_to_async(lambda book: book.author.name)', '.select_related("author")'),
    Label('asynchronous_streaming', 'n_plus_one', '', 'loops.py: country = await Country.objects.aget(author=book.author_id)', 'one statement for all rows, before the loop'),
]
