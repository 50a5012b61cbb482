"""The walk from a serializer to the SQL expression that writes its JSON.

It goes through the fields as `api.shaping` does, and finds for each the SQL that spells its column as DRF would. A
method or property of which no SQL is known (`spelt_as`) stays Python: SQL leaves a gap for it (`fast.gaps`), as for a
field that changes values in a way of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.contrib.contenttypes.fields import GenericRelation
from django.db.models import Case, Expression, F, ForeignObject, Model, OuterRef, TextField, When
from django.db.models.fields.related_descriptors import ForeignKeyDeferredAttribute
from django.db.models.query_utils import DeferredAttribute
from django.db.models.signals import post_init, pre_init
from rest_framework import serializers

from api.selection import object_of
from api.shaping import attribute, is_of_drf, key_of, makes_fields, relation_name, stored, unseen
from fast import gaps
from fast.gaps import Column, Gap
from fast.spelling import (
    Bound,
    InSql,
    Joined,
    Spelt,
    Text,
    as_json,
    in_json,
    joined,
    key_spelling_of,
    or_null,
    raw_spelling_of,
    spelling_of,
    spelt,
)

READERS = (
    serializers.Field.get_attribute,
    serializers.ModelField.get_attribute,
    serializers.RelatedField.get_attribute,
)
PLAIN_ATTRIBUTES = DeferredAttribute, ForeignKeyDeferredAttribute
spelt_as: dict[Any, InSql] = {}
"""SQL for what a serializer's method or a model's property says in Python, by its function."""
ROW, LIST = serializers.Serializer.to_representation, serializers.ListSerializer.to_representation


class UncompilableError(Exception):
    """A serializer that only DRF can render; the message says what of it, and why."""


@dataclass(frozen=True, slots=True)
class Place:
    """`model`, reached from the rows through the to-one lookups `prefix`."""

    model: type[Model]
    prefix: str = ""
    gaps: list[Gap] = dataclasses.field(default_factory=list)
    written: list[InSql] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        own_rows(self.model)

    def object(self, serializer: serializers.Serializer[Any]) -> Expression:
        if makes_fields(serializer):
            raise UncompilableError(f"{type(serializer).__name__} makes its fields by itself")
        if type(serializer).to_representation is not ROW:
            raise UncompilableError(f"{type(serializer).__name__} has a to_representation of its own")
        pieces: list[Expression | str] = []
        for name, field in serializer.fields.items():
            if not field.write_only:
                pieces += [f"{',' if pieces else ''}{spelt(name)}:", self.value(field)]
        return joined(["{", *pieces, "}"])

    def value(self, field: Bound) -> Expression:
        if field.source == "*" and isinstance(field, serializers.Serializer):
            return self.object(field)
        names = [] if field.source == "*" else field.source_attrs
        here = self
        if not is_of_drf(type(field).get_attribute) or (names[1:] and field.default is not serializers.empty):
            raise UncompilableError(f"{where(field)}: {type(field).__name__} reads in a way of its own")
        for name in names[:-1]:
            here = here.beyond(name, field)
        found = attribute(here.model, names[-1]) if names else None
        if found is None or not found.is_relation or names[-1] != relation_name(found):
            return self.optional(here, field, here.leaf(field, found))
        if isinstance(field, serializers.ListSerializer) and not field.source_attrs[:-1]:
            return self.collection(field, found)
        if isinstance(field, serializers.Serializer):
            there = here.beyond(names[-1], field, last=True)
            shown = there.object(field)
            return there.or_null(shown) if may_be_null(found) else self.optional(here, field, shown)
        if is_plainly(field, serializers.PrimaryKeyRelatedField) and found.concrete:
            return self.optional(here, field, here.leaf(field, found))
        if is_plainly(field, serializers.SlugRelatedField):
            there = here.beyond(names[-1], field, last=True)
            slug = there.slug(field)
            if slug is None:
                path = [names[-1], *str(field.slug_field).split("__")]  # type: ignore[attr-defined]
                return here.gap(field, followed(here.model, path, field, ()))
            return there.or_null(slug) if may_be_null(found) else self.optional(here, field, slug)
        raise UncompilableError(f"{where(field)}: {type(field).__name__} has no spelling in SQL")

    def beyond(self, name: str, field: Bound, *, last: bool = False) -> Place:
        """Where the to-one relation `name` leads."""
        found = attribute(self.model, name)
        if found is None or not found.is_relation or found.one_to_many or found.many_to_many:
            raise UncompilableError(f"{where(field)}: {name} is no relation to one row")
        if may_be_null(found) and not (last and isinstance(found, ForeignObject)) and not field.allow_null:
            raise UncompilableError(f"{where(field)}: without {name} DRF leaves the field out")
        return replace(self, model=found.related_model, prefix=f"{self.prefix}{name}__")  # type: ignore[arg-type]

    def optional(self, there: Place, field: Bound, shown: Expression) -> Expression:
        """`shown`, or null where there is no row to show it of; a row of an object is always there."""
        return shown if there.prefix == self.prefix or not field.allow_null else there.or_null(shown)

    def or_null(self, shown: Expression) -> Expression:
        missing = When(**{f"{self.prefix}{key_of(self.model)}__isnull": True}, then=Text("null"))
        return Case(missing, default=shown, output_field=TextField())

    def slug(self, field: Any) -> Expression | None:
        """The column that a SlugRelatedField shows, as it is; None where it is left to Python."""
        here, names = self, str(field.slug_field).split("__")
        for name in names[:-1]:
            here = here.beyond(name, field)
        column: Any = attribute(here.model, names[-1])
        spelling = raw_spelling_of(column) if column is not None and column.concrete else None
        if spelling is None:
            return None
        shown = spelling(F(f"{here.prefix}{column.attname}"))
        return or_null(shown) if column.null else shown

    def leaf(self, field: Bound, column: Any) -> Expression:
        if type(field).get_attribute not in READERS:
            raise UncompilableError(f"{where(field)}: {type(field).__name__} reads in a way of its own")
        if column is not None and column.concrete and column.descriptor_class in PLAIN_ATTRIBUTES:
            spelling = key_spelling_of(field, column) if column.is_relation else spelling_of(field, stored(column))
            if spelling is not None:
                shown = spelling(F(f"{self.prefix}{column.attname}"))
                return or_null(shown) if column.null else shown
        if column is not None:
            return self.gap(field, [((), column)], of_column=True)
        reader = reader_of(self.model, field)
        in_sql = spelt_as.get(reader) if hasattr(reader, "needs") else None
        if in_sql is None:
            return self.gap(field, [((), self.model._meta.pk), *needed(self.model, field)])
        self.written.append(in_sql)
        return in_sql.expression(lambda name: F(f"{self.prefix}{name}"))

    def gap(self, field: Bound, read: Iterable[Read], *, of_column: bool = False) -> Expression:
        """Columns for Python to read. (A method gets the key too, which a plan always fetches.)"""
        columns, shown = [], []
        for path, each in dict.fromkeys(read):
            kind = in_json(each)
            if kind is None or each.descriptor_class not in PLAIN_ATTRIBUTES:
                raise UncompilableError(f"{where(field)}: {each.name} changes on its way through JSON")
            columns.append(Column(path, each.attname, kind))
            shown.append(as_json(each)(F(f"{self.prefix}{'__'.join((*path, each.attname))}")))
        self.gaps.append(Gap(self.model, tuple(columns), field, of_column))
        return gaps.left_open(len(self.gaps) - 1, Spelt(*shown, template="json_build_array(%(expressions)s)"))

    def collection(self, field: serializers.ListSerializer[Any], relation: Any) -> Expression:
        model = relation.related_model
        if (
            type(field).to_representation is not LIST
            or isinstance(relation, GenericRelation)
            or not relation.one_to_many
        ):
            raise UncompilableError(f"{where(field)}: a collection of its own kind")
        if not model._meta.ordering:
            raise UncompilableError(f"{where(field)}: rows of {model.__name__} have no order (Meta.ordering)")
        each = replace(self, model=model, prefix="").object(object_of(field))
        if len(relation.field.foreign_related_fields) != 1:
            raise UncompilableError(f"{where(field)}: a relation by several columns")
        (target,) = relation.field.foreign_related_fields
        rows = model._default_manager.filter(**{relation.field.attname: OuterRef(f"{self.prefix}{target.attname}")})
        texts: Any = Joined(rows.values_list(each))
        return joined(["[", texts, "]"])


def own_rows(model: type[Model]) -> None:
    """Raises UncompilableError for a model whose instances are more than its columns: a hook of it is run for each."""
    listened = any(signal.has_listeners(model) for signal in (pre_init, post_init))
    plain = getattr(model.from_db, "__func__", None) is getattr(Model.from_db, "__func__", None)
    if listened or not plain or model.__init__ is not Model.__init__:
        raise UncompilableError(f"{model.__name__} makes its instances in a way of its own")


def is_plainly(field: Bound, kind: Any) -> bool:
    """Whether a field is of DRF's class, or of one that represents what it reads in the same way."""
    return isinstance(field, kind) and type(field).to_representation is kind.to_representation


def may_be_null(relation: Any) -> bool:
    return bool(relation.null) if isinstance(relation, ForeignObject) else True


Read = tuple[tuple[str, ...], Any]
"""The to-one relations that lead to a row, and a column of it."""


def needed(model: type[Model], field: Bound) -> Iterator[Read]:
    """What a method, or a property, of `model` reads by its own declaration.

    Raises:
        UncompilableError: it declares nothing, or a collection.
    """
    yield from declared(model, reader_of(model, field), field, ())


def reader_of(model: type[Model], field: Bound) -> Any:
    """What declares with `@needs` what it reads."""
    if isinstance(field, serializers.SerializerMethodField):
        method = getattr(field.parent, str(field.method_name))
        return getattr(method, "__func__", method)
    return type(field) if field.source == "*" else property_of(model, field.source_attrs[-1])


def declared(model: type[Model], reader: Any, field: Bound, above: tuple[str, ...]) -> Iterator[Read]:
    if not hasattr(reader, "needs"):
        raise UncompilableError(unseen(where(field)))
    for path in reader.needs:
        yield from followed(model, path.split("."), field, above)


def followed(model: type[Model], names: Sequence[str], field: Bound, above: tuple[str, ...]) -> Iterator[Read]:
    name, *rest = names
    found: Any = attribute(model, name)
    if found is None:
        yield from declared(model, property_of(model, name), field, above)
    elif found.one_to_many or found.many_to_many:
        raise UncompilableError(f"{where(field)}: it needs {name}, which are other rows")
    else:
        if found.concrete:
            yield above, found
        if found.is_relation and name == relation_name(found) and (rest or not found.concrete):
            there: Any = found.related_model
            own_rows(there)
            yield (*above, name), there._meta.pk
            if rest:
                yield from followed(there, rest, field, (*above, name))


def property_of(model: type[Model], name: str) -> Any:
    reader = getattr(model, name, None)
    return reader.func if isinstance(reader, cached_property) else getattr(reader, "fget", reader)


def where(field: Bound) -> str:
    return f"{type(field.parent).__name__}.{field.field_name}"
