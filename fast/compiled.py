"""Answers that PostgreSQL writes: a serializer becomes one SQL expression, whose value is its JSON.

The text is made once by the ORM's compiler; a request binds parameters and joins what comes back. The serializer stays
the declaration: `fast.walk` finds for each field the SQL that spells its column as DRF would, and what can't be said in
SQL is rendered by the serializer itself.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Expression, Model, Q, QuerySet
from rest_framework import serializers

from api import keyset
from api.selection import Selection, object_of
from api.shaping import key_of, nested, prepared
from fast import gaps
from fast.gaps import Gap
from fast.memo import memoised
from fast.spelling import InSql
from fast.statements import Conditions, FirstOfEach, Narrowing, Row, Slot, Statement, checked
from fast.walk import Place, UncompilableError

FIELD_BYTES = 4500  # of a field's expression and serializer (measured: 2,100 to 4,200)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Compiled:
    """One object's JSON as an expression on rows of `model`, and the gaps in what it gives."""

    model: type[Model]
    expression: Expression
    gaps: tuple[Gap, ...]
    written: tuple[InSql, ...]  # the methods among it
    size: int  # bytes, roughly
    number: int = field(default_factory=count().__next__, init=False)

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
    values: str  # as `api.expressions.numbers` writes them


def asked(compiled: Compiled, *args: Any, **named: Any) -> Hashable:
    """What `statement` is kept by, which holds no object that may be forgotten before."""
    return compiled.number, args, *sorted(named.items())


@memoised(key=asked)
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
    rows: QuerySet[Any] = QuerySet(model).filter(Conditions())
    if order is None:
        key = keyset.RowComparison((key_of(model),), operator, (Slot("value0"),))
        return Statement.of((rows.filter(key) if operator else rows).values_list(compiled.expression))
    if operator:
        rows = rows.filter(ranges(model, order, operator, empty)[at])
    terms, columns = order.terms(model, backwards=backwards), [each.attname for each in keyset.columns_of(model, order)]
    if apart:
        some = rows.filter(**{apart: FirstOfEach.VALUE}).order_by(*terms)
        some = some.values_list(*dict.fromkeys([*columns, model._meta.pk.attname]))
        rows = QuerySet(model).filter(FirstOfEach(some[:limit], Slot("apart")))
    rows = rows.order_by(*terms).values_list(compiled.expression, *columns)
    return Statement.of(rows if limit is None else rows[:limit])


@lru_cache(maxsize=1024)
def ranges(model: type[Model], order: keyset.Order, operator: str, empty: tuple[int, ...]) -> list[Q]:
    """Those of `api.keyset`, with a slot for each value of a cursor but the `empty` ones."""
    columns = keyset.columns_of(model, order)
    values = [None if at in empty else Slot(f"value{at}") for at in range(len(columns))]
    return keyset.ranges(columns, operator, values)


def size_of_compiled(found: Compiled | str, *_: Any) -> int:
    return len(found) if isinstance(found, str) else found.size


@memoised(8_000_000, size=size_of_compiled)  # clients choose the selection, hence the bound
def compiled_for(serializer_class: type[serializers.BaseSerializer[Any]], selection: Selection) -> Compiled | str:
    """`serializer_class` after `selection`; or why it has to render by itself."""
    try:
        return compiled(prepared(serializer_class, selection))
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
    expression = place.object(shape)
    size = FIELD_BYTES * sum(len(each.fields) for each in nested(shape)) + sum(gap.most_bytes for gap in place.gaps)
    return Compiled(model, expression, tuple(place.gaps), tuple(place.written), size)
