"""Answers that PostgreSQL writes: a serializer becomes one SQL expression, whose value is its JSON.

`compiled` walks the fields of a serializer as `api.shaping` does, and finds for each the SQL that spells
its column as DRF would. The text is made once by the ORM's compiler; a request binds parameters and joins
what comes back. The serializer stays the declaration: what can't be said in SQL raises
UncompilableError, whose message says why, and is rendered by the serializer itself.

A method or property whose `@needs` gives no SQL stays Python: SQL leaves a gap for it (`api.gaps`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

from django.contrib.contenttypes.fields import GenericRelation
from django.db import DEFAULT_DB_ALIAS
from django.db.models import Case, Expression, F, Field, ForeignObject, Model, OuterRef, Q, TextField, When
from rest_framework import serializers

from api import gaps, keyset
from api.gaps import Column, Gap
from api.selection import Selection, apply, object_of
from api.shaping import attribute, key_of, relation_name, unseen
from api.spelling import (
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
    stored,
)
from api.statements import Conditions, FirstOfEach, Narrowing, Row, Slot, Statement, checked

READERS = (
    serializers.Field.get_attribute,
    serializers.ModelField.get_attribute,
    serializers.RelatedField.get_attribute,
)
ROW, LIST = serializers.Serializer.to_representation, serializers.ListSerializer.to_representation


class UncompilableError(Exception):
    """A serializer that only DRF can render; the message says what of it, and why."""


@dataclass(frozen=True, slots=True, eq=False)
class Compiled:
    """One object's JSON as an expression on rows of `model`, and the gaps in what it gives."""

    model: type[Model]
    expression: Expression
    gaps: tuple[Gap, ...]
    written: tuple[InSql, ...]  # the methods among it

    def given(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """What a request brings for the slots of the expression."""
        return {name: value for each in self.written for name, value in each.values(context).items()}

    @property
    def leaks(self) -> bool:
        """Whether a gap was found to ask for more than its columns: only the serializer can render it."""
        return bool(self.gaps) and any(gap.refused for gap in self.gaps)

    def filler(self, context: Mapping[str, Any]) -> Callable[[Iterable[str]], list[bytes]]:
        """A function that fills the gaps of objects, or raises LeakError where one asks for more than its columns."""
        return gaps.filler(self.gaps, context)

    def one(self, narrowing: Narrowing, given: Mapping[str, Any], key: int) -> str | None:
        """The object with this key, its gaps open; None if there is none within `narrowing`."""
        rows = statement(self, None, "=").rows(DEFAULT_DB_ALIAS, checked(narrowing), **given, value0=key)
        return rows[0][0] if rows else None

    def page(
        self,
        alias: str,
        narrowing: Narrowing,
        given: Mapping[str, Any],
        order: keyset.Order,
        cursor: keyset.Cursor | None,
        limit: int,
        apart: Apart | None = None,
    ) -> keyset.Page[str]:
        """One query for `limit` objects, their gaps open, and the one that tells whether there are more.

        Two where rows without a value begin.
        """
        backwards = cursor is not None and cursor.backwards
        operator = order.beyond(backwards=backwards) if cursor else ""
        values = {f"value{at}": value for at, value in enumerate(cursor.values if cursor else ())}
        if apart:
            values["apart"] = apart.values
        column = apart.column if apart else ""
        empty = tuple(at for at, value in enumerate(cursor.values if cursor else ()) if value is None)
        rows: list[Row] = []
        for at in range(len(ranges(self.model, order, operator, empty)) if cursor else 1):
            if len(rows) <= limit:
                place: dict[str, Any] = {"backwards": backwards, "empty": empty, "at": at}
                beyond = statement(self, order, operator, **place, limit=limit + 1, apart=column)
                rows += beyond.rows(alias, narrowing, **given, **values)
        page = keyset.cut(rows, cursor, limit, lambda row: row[1:])
        return keyset.Page([row[0] for row in page.rows], page.next, page.previous)

    def all(
        self, alias: str, narrowing: Narrowing, given: Mapping[str, Any], order: keyset.Order, size: int
    ) -> Generator[list[str], None, None]:
        """Every object, its gaps open, `size` at a time through a server-side cursor."""
        for rows in statement(self, order).chunks(alias, narrowing, size, **given):
            yield [row[0] for row in rows]


class Apart(NamedTuple):
    """Rows are looked for by each of these values of a column, as an index has them in their order."""

    column: str
    values: str  # as `api.statements.numbers` writes them


@lru_cache(maxsize=1024)
def statement(
    compiled: Compiled,
    order: keyset.Order | None,
    operator: str = "",
    *,
    backwards: bool = False,
    limit: int | None = None,
    apart: str = "",
    empty: tuple[int, ...] = (),
    at: int = 0,
) -> Statement:
    """Rows of the object and the order's columns, behind a cursor if there is an `operator`; by key without `order`.

    The limit is part of the text: a plan for any limit is one for many rows. `apart`: see `Apart.column`; `empty` and
    `at`: which of the cursor's values are None, and which of the `ranges` behind it is meant.
    """
    model = compiled.model
    rows = model._base_manager.filter(Conditions())
    if order is None:
        key = keyset.RowComparison((key_of(model),), operator, (Slot("value0"),))
        return Statement.of((rows.filter(key) if operator else rows).values_list(compiled.expression))
    if operator:
        rows = rows.filter(ranges(model, order, operator, empty)[at])
    terms, columns = order.terms(model, backwards=backwards), [each.attname for each in keyset.columns_of(model, order)]
    if apart:
        some = rows.filter(**{apart: FirstOfEach.VALUE}).order_by(*terms)
        some = some.values_list(*dict.fromkeys([*columns, model._meta.pk.attname]))
        rows = model._base_manager.filter(FirstOfEach(some[:limit], Slot("apart")))
    rows = rows.order_by(*terms).values_list(compiled.expression, *columns)
    return Statement.of(rows if limit is None else rows[:limit])


@lru_cache(maxsize=1024)
def ranges(model: type[Model], order: keyset.Order, operator: str, empty: tuple[int, ...]) -> list[Q]:
    """Those of `api.keyset`, with a slot for each value of a cursor but the `empty` ones."""
    columns = keyset.columns_of(model, order)
    values = [None if at in empty else Slot(f"value{at}") for at in range(len(columns))]
    return keyset.ranges(columns, operator, values)


@lru_cache(maxsize=1024)  # clients choose the selection, hence the bound
def compiled_for(serializer_class: type[serializers.BaseSerializer[Any]], selection: Selection) -> Compiled | str:
    """`serializer_class` after `selection`; or why it has to render by itself."""
    serializer = serializer_class()
    apply(selection, serializer)
    try:
        return compiled(serializer)
    except UncompilableError as reason:
        return str(reason)


def compiled(serializer: serializers.BaseSerializer[Any]) -> Compiled:
    """Compile an instance of a model's serializer.

    Raises:
        UncompilableError: a field has no spelling in SQL.
    """
    shape = object_of(serializer)
    model: type[Model] = shape.Meta.model  # type: ignore[attr-defined]
    place = Place(model)
    return Compiled(model, place.object(shape), tuple(place.gaps), tuple(place.written))


def row(model: type[Model], fields: Mapping[str, Bound], columns: Mapping[str, Field[Any, Any]]) -> Expression:
    """The JSON of a row that is no instance of `model`, as grouping makes them.

    A nested serializer shows the relation of its name; of other fields `columns` has the kinds.

    Raises:
        UncompilableError: a field has no spelling in SQL.
    """
    pieces: list[Expression | str] = []
    for name, field in fields.items():
        if isinstance(field, serializers.Serializer):
            shown = Place(model).beyond(name, field, last=True).object(field)
        elif spelling := spelling_of(field, columns[name]):
            shown = spelling(F(name))
        else:
            raise UncompilableError(f"{where(field)}: {type(field).__name__} has no spelling in SQL")
        pieces += [f"{',' if pieces else ''}{spelt(name)}:", shown]
    return joined(["{", *pieces, "}"])


# --- The walk


@dataclass(frozen=True, slots=True)
class Place:
    """`model`, reached from the rows through the to-one lookups `prefix`."""

    model: type[Model]
    prefix: str = ""
    gaps: list[Gap] = dataclasses.field(default_factory=list)
    written: list[InSql] = dataclasses.field(default_factory=list)

    def object(self, serializer: serializers.Serializer[Any]) -> Expression:
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
        if column is not None and column.concrete:
            spelling = key_spelling_of(field, column) if column.is_relation else spelling_of(field, stored(column))
            if spelling is not None:
                shown = spelling(F(f"{self.prefix}{column.attname}"))
                return or_null(shown) if column.null else shown
        if column is not None:
            return self.gap(field, [((), column)])
        in_sql = getattr(reader_of(self.model, field), "sql", None)
        if in_sql is None:
            return self.gap(field, [((), self.model._meta.pk), *needed(self.model, field)])
        self.written.append(in_sql)
        return in_sql.expression(lambda name: F(f"{self.prefix}{name}"))  # type: ignore[no-any-return]

    def gap(self, field: Bound, read: Iterable[Read]) -> Expression:
        """Columns for Python to read. (A method gets the key too, which a plan always fetches.)"""
        columns, shown = [], []
        for path, each in dict.fromkeys(read):
            kind = in_json(each)
            if kind is None:
                raise UncompilableError(f"{where(field)}: {each.name} changes on its way through JSON")
            columns.append(Column(path, each.attname, kind))
            shown.append(as_json(each)(F(f"{self.prefix}{'__'.join((*path, each.attname))}")))
        self.gaps.append(Gap(self.model, tuple(columns), field))
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
        rows = model._default_manager.filter(**{relation.field.name: OuterRef(f"{self.prefix}pk")})
        texts: Any = Joined(rows.values_list(each))
        return joined(["[", texts, "]"])


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
        return getattr(field.parent, str(field.method_name))
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
            yield (*above, name), there._meta.pk
            if rest:
                yield from followed(there, rest, field, (*above, name))


def property_of(model: type[Model], name: str) -> Any:
    reader = getattr(model, name, None)
    return reader.func if isinstance(reader, cached_property) else getattr(reader, "fget", reader)


def where(field: Bound) -> str:
    return f"{type(field.parent).__name__}.{field.field_name}"
