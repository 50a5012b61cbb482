"""What is wrong with each loop of the corpus, where, and what to write instead."""

import linecache
from typing import NamedTuple

from querybudget.findings import Kind


class Label(NamedTuple):
    """A finding that a case must have. `relation`: without the app. `line`: the file and how its text begins there."""

    case: str
    kind: Kind
    relation: str
    line: str
    advice: str


def line_of(file: str, number: int) -> str:
    """How a label names a line: the file's name, and how the line begins."""
    text = linecache.getline(file, number).strip()
    text = text.replace("return answer(", "…").replace("return JsonResponse(", "…")
    return f"{file.rpartition('/')[2]}: {text}"[:70]


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
    Label('validators', 'n_plus_one', '', 'serializers.py: title = serializers.CharField(validators=[UniqueValida', 'validate all items with one query: Book.objects.filter(title__in=[…])'),
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
    Label('property_with_a_relation', 'n_plus_one', 'Book.author', 'models.py: return f"{self.title}, {self.author.name}"', '.select_related("author")'),
    Label('cached_property_of_each', 'n_plus_one', 'Book.tags', 'models.py: return self.tags.all()[0]', '.prefetch_related("tags")'),
    Label('list_view', 'n_plus_one', 'Book.author', 'books.html: {{ book.author.name }}</li>', '.select_related("author")'),
    Label('template_with_a_count', 'n_plus_one', 'Book.reviews', 'review_count.html: {{ book.reviews.count }}', '.annotate(reviews_count=Count("reviews"))'),
    Label('form_choices', 'n_plus_one', 'Book.author', 'layers.py: return book.author.name', '.select_related("author")'),
    Label('serializer_in_a_method', 'n_plus_one', 'Book.reviews', 'serializers.py: return ReviewSerializer(book.reviews.all(), many=True)', '.prefetch_related("reviews")'),
    Label('slug_related_field', 'n_plus_one', 'Book.author', 'serializers.py: author = serializers.SlugRelatedField("name", read_onl', '.select_related("author")'),
    Label('slug_related_field', 'n_plus_one', 'Book.tags', 'serializers.py: tags = serializers.SlugRelatedField("name", many=True,', '.prefetch_related("tags")'),
    Label('own_representation', 'n_plus_one', 'Book.reviews', 'serializers.py: return {**super().to_representation(book), "stars": [r', '.prefetch_related("reviews")'),
    Label('serializer_of_a_property', 'n_plus_one', 'Book.author', 'models.py: return f"{self.title}, {self.author.name}"', '.select_related("author")'),
    Label('list_of_new_rows', 'write_n_plus_one', '', 'serializers.py: class NewTag(serializers.ModelSerializer):', 'Tag.objects.bulk_create([…])'),
    Label('nested_new_rows', 'write_n_plus_one', '', 'serializers.py: Review.objects.create(book=book, **review)', 'Review.objects.bulk_create([…])'),
    Label('list_of_related_keys', 'n_plus_one', '', 'serializers.py: fields = ["title", "author"]', 'validate all items with one query: Author.objects.filter(pk__in=[…])'),
    Label('signal_of_a_save', 'n_plus_one', '', 'layers.py: Tag.objects.filter(name=instance.name).count()', 'one statement for all rows, before the loop: Tag.objects.filter(name__in=[…])'),
    Label('signal_of_a_save', 'write_n_plus_one', '', 'layers.py: tag.save()', 'Tag.objects.bulk_update([…], […])'),
    Label('asynchronous_gather', 'n_plus_one', 'Book.reviews', 'layers.py: counts = await asyncio.gather(*[book.reviews.acount() async', '.annotate(reviews_count=Count("reviews"))'),
    Label('asynchronous_refresh', 'n_plus_one', '', 'layers.py: await book.arefresh_from_db()', 'the row was just loaded: drop refresh_from_db(), or load it where it is needed'),
    Label('asynchronous_create', 'write_n_plus_one', '', 'layers.py: await Review.objects.acreate(book=book, stars=1)', 'Review.objects.bulk_create([…])'),
    Label('method_field_filtered_count', 'n_plus_one', 'Book.reviews', 'serializers.py: return book.reviews.filter(stars=5).count()', '.annotate(reviews_count=Count("reviews", filter=Q(reviews__stars=5)))'),
    Label('many_to_many_through', 'n_plus_one', 'Placement.book', 'spellings.py: …placement.book.title for shelf in shelves for placement', '.prefetch_related("placements__book")'),
    Label('many_to_many_backwards', 'n_plus_one', 'Tag.books', 'spellings.py: …book.title for tag in Tag.objects.all() for book in tag', '.prefetch_related("books")'),
    Label('parent_to_child_table', 'n_plus_one', 'Place.library', 'spellings.py: …place.library.seats for place in Place.objects.all())', '.select_related("library")'),
    Label('relation_of_the_parent_table', 'n_plus_one', 'Library.country', 'spellings.py: …library.country.name for library in Library.objects.all', '.select_related("country")'),
    Label('proxy', 'n_plus_one', 'Bestseller.author', 'spellings.py: …book.author.name for book in Bestseller.objects.all())', '.select_related("author")'),
    Label('manager_method', 'n_plus_one', 'Book.reviews', 'spellings.py: …len(book.reviews.good()) for book in Book.objects.all()', 'Prefetch("reviews", Review.objects.filter(stars__gte=4), to_attr="matching_reviews")'),
    Label('below_a_prefetched_list', 'n_plus_one', 'Book.tags', 'spellings.py: …tag.name for author in authors for book in author.works', '.prefetch_related("works__tags")'),
    Label('server_side_rows', 'n_plus_one', 'Book.author', 'spellings.py: …book.author.name for book in Book.objects.iterator(chun', '.select_related("author")'),
    Label('rows_by_key', 'n_plus_one', 'Book.author', 'spellings.py: …book.author.name for book in Book.objects.in_bulk().val', '.select_related("author")'),
    Label('a_page_of_a_paginator', 'n_plus_one', 'Book.author', 'spellings.py: …book.author.name for book in page)', '.select_related("author")'),
    Label('latest_of_a_relation', 'n_plus_one', 'Book.reviews', 'spellings.py: …book.reviews.latest("pk").stars for book in Book.object', 'Prefetch("reviews", Review.objects.order_by("-pk"), to_attr="sorted_reviews")'),
    Label('prefetch_defeated_by_first', 'n_plus_one', 'Book.reviews', 'spellings.py: …book.reviews.first().stars for book in Book.objects.pre', 'reviews.all()[0]: reviews is prefetched, and .first() asks the database again'),
    Label('absence_of_a_one_to_one', 'n_plus_one', 'Author.profile', 'spellings.py: …hasattr(author, "profile") for author in Author.objects', '.select_related("profile")'),
    Label('content_type_of_each', 'n_plus_one', 'Comment.content_type', 'spellings.py: …comment.content_type.model for comment in Comment.objec', '.select_related("content_type")'),
    Label('count_below_a_join', 'n_plus_one', 'Author.books', 'spellings.py: …book.author.books.count() for book in Book.objects.sele', '.prefetch_related("author__books")'),
    Label('column_of_a_joined_row', 'n_plus_one', 'Author.name', 'spellings.py: …book.author.name for book in books)', '.only(…, "author__name"), or no .defer("author__name")'),
    Label('dictionaries', 'n_plus_one', '', 'spellings.py: names += Author.objects.get(pk=row["author_id"]).name', '.select_related("author"), and read .author of the row'),
    Label('tuples', 'n_plus_one', '', 'spellings.py: …[Author.objects.get(pk=row[1]).name for row in rows])', '.select_related("author"), and read .author of the row'),
    Label('mapped', 'n_plus_one', '', 'spellings.py: …map(lambda book: Author.objects.get(pk=book.author_id).', '.select_related("author"), and read .author of the row'),
    Label('tree', 'n_plus_one', 'Subject.parts', 'spellings.py: return [subject.name, *(names(part) for part in subject.', '.prefetch_related("parts")'),
    Label('membership_of_each', 'n_plus_one', 'Book.tags', 'spellings.py: …book.tags.contains(tag) for book in Book.objects.all())', '.prefetch_related("tags")'),
    Label('update_or_create', 'write_n_plus_one', '', 'spellings.py: Tag.objects.update_or_create(name=f"of {book.pk}")', 'Tag.objects.bulk_create([…], update_conflicts=True, …)'),
    Label('create_through_a_relation', 'write_n_plus_one', 'Book.reviews', 'spellings.py: book.reviews.create(stars=1)', 'Review.objects.bulk_create([…])'),
    Label('save_of_a_joined_row', 'write_n_plus_one', '', 'spellings.py: book.author.save()', 'Author.objects.bulk_update([…], […])'),
    Label('set_of_many_to_many', 'write_n_plus_one', 'Book.tags', 'spellings.py: book.tags.set(tags)', 'Book.tags.through.objects.bulk_create([…])'),
    Label('clear_of_many_to_many', 'write_n_plus_one', 'Book.tags', 'spellings.py: book.tags.clear()', 'Book.tags.through.objects.filter(book__in=[…]).delete()'),
    Label('delete_by_filter', 'write_n_plus_one', '', 'spellings.py: Review.objects.filter(book=book).delete()', 'Review.objects.filter(book__in=[…]).delete()'),
    Label('batch_of_one', 'write_n_plus_one', '', 'spellings.py: Tag.objects.bulk_create([Tag(name=book.title)])', 'Tag.objects.bulk_create([…])'),
    Label('create_from_the_body', 'write_n_plus_one', '', 'spellings.py: Tag.objects.create(name=item["name"])', 'Tag.objects.bulk_create([…])'),
    Label('lookup_from_the_body', 'n_plus_one', '', 'spellings.py: names.append(Country.objects.filter(name=item["name"]).f', 'one statement for all rows, before the loop: Country.objects.filter(name__in=[…])'),
    Label('delete_of_a_through_row', 'write_n_plus_one', '', 'spellings.py: placement.delete()', 'Placement.objects.filter(pk__in=[…]).delete()'),
]
