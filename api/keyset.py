"""Keyset pagination: a page costs the same at any depth, and rows with equal keys are never lost.

The order is total (its last column is the primary key), and a page starts behind the row that the
cursor names, by a comparison of row values that the index answers. NULL comes after every value, as in an
index of PostgreSQL; SQL compares it to nothing, so rows without a value are a range of their own. DRF's
CursorPagination is not used: past 1,000 rows of one sort value it never ends, and a garbled cursor is a 500.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from functools import lru_cache
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.core import signing
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured
from django.core.exceptions import ValidationError as InvalidValue
from django.db.models import BinaryField, BooleanField, F, Field, Func, JSONField, Model, Q, QuerySet, Value
from django.db.models.expressions import OrderBy
from django.utils.crypto import salted_hmac
from django.utils.duration import duration_string
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

from api.requests import inner
from api.shaping import stored

M = TypeVar("M", bound=Model)
R = TypeVar("R")

CURSOR_MOST = 4000  # characters; a name of 200 outside the basic plane takes 3,300
SALT = "api.keyset"
FREE = frozenset({"cursor", "limit", "fields", "expand", "format"})  # parameters that choose and order no rows
UNORDERED = (BinaryField, JSONField)
GARBLED = "Not a cursor of this service. Take `next` or `previous` as it was answered."
FOREIGN = "This cursor was made for another query or for other rights. Keep the filters while you follow a cursor."


@dataclass(frozen=True, slots=True)
class Order:
    """A total order: columns of the model, the primary key last, all in one direction.

    Of a nullable column, rows without a value come last, and first if it is descending.
    """

    columns: tuple[str, ...]
    descending: bool = False

    def terms(self, model: type[Model], *, backwards: bool = False) -> list[str | OrderBy]:
        """What a queryset of `model` is ordered by. Raises ImproperlyConfigured as `columns_of`."""
        down = self.descending != backwards
        return [term(column, descending=down) for column in columns_of(model, self)]

    def beyond(self, *, backwards: bool) -> str:
        """How the rows behind (`backwards`: before) a cursor compare to it."""
        return "<" if self.descending != backwards else ">"


@dataclass(frozen=True, slots=True)
class Cursor:
    """The page behind (`backwards`: before) the row with these values of the order's columns."""

    values: tuple[Any, ...]
    backwards: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    rows: list[R]
    next: Cursor | None
    previous: Cursor | None


class RowComparison(Func):
    """`(a, b) < (x, y)`: SQL's comparison of row values, which one index range answers."""

    output_field = BooleanField()
    arity = None

    def __init__(self, columns: Sequence[str], operator: str, values: Sequence[Any]) -> None:
        super().__init__(*(F(column) for column in columns), *(Value(value) for value in values))
        self.operator = operator

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:  # type: ignore[override]
        parts, parameters = [], []
        for expression in self.source_expressions:
            sql, values = compiler.compile(expression)
            parts.append(sql)
            parameters += values
        half = len(parts) // 2
        return f"({', '.join(parts[:half])}) {self.operator} ({', '.join(parts[half:])})", tuple(parameters)


def term(column: Field[Any, Any], *, descending: bool) -> str | OrderBy:
    if not column.null:
        return f"{'-' if descending else ''}{column.attname}"  # a relation's own name stands for the order of its model
    return F(column.attname).desc(nulls_first=True) if descending else F(column.attname).asc(nulls_last=True)


@lru_cache(maxsize=1024)
def columns_of(model: type[Model], order: Order) -> tuple[Field[Any, Any], ...]:
    """The columns of an order of `model`. Raises ImproperlyConfigured for an order that would lose rows."""
    fields = tuple(column_of(model, name) for name in order.columns)
    names = {field.name for field in fields}
    required = {field.name for field in fields if not field.null}
    constraints = [each.fields for each in model._meta.total_unique_constraints if each.deferrable is None]
    alone = any(field.unique and field.name in required for field in fields)
    together = any(required.issuperset(each) for each in [*constraints, *model._meta.unique_together])
    if not alone and not together:
        last = fields[-1].name if fields else "nothing"
        raise ImproperlyConfigured(
            f"rows with equal values of {', '.join(sorted(names)) or 'nothing'} have no order, and pages would lose "
            f"some: {last} is not unique. Add {model._meta.pk.name} as the last column."
        )
    return fields


def column_of(model: type[Model], name: str) -> Field[Any, Any]:
    try:
        field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        field = None
    if not getattr(field, "concrete", False) or field.many_to_many:
        raise ImproperlyConfigured(f"{name} is no column of {model.__name__}.")
    if isinstance(stored(field), UNORDERED):
        raise ImproperlyConfigured(f"{name} has no order that a cursor could name: it is a {type(field).__name__}.")
    return field  # type: ignore[no-any-return]


def ranges(columns: Sequence[Field[Any, Any]], operator: str, values: Sequence[Any], same: Q | None = None) -> list[Q]:
    """The rows behind these values: conditions on one range of an index each, that follow each other in the order.

    SQL compares NULL to nothing. So a comparison of row values is right where no value is NULL and none of the rows
    behind has one; elsewhere rows without a value are a range of their own. `same` holds of all rows meant.
    """
    same, rising = same or Q(), operator == ">"
    names = [column.attname for column in columns]
    split = [at for at, column in enumerate(columns) if values[at] is None or (rising and column.null)]
    if not columns:
        return []
    if not split:
        return [same & Q(RowComparison(names, operator, values))]
    at = max(split[0], 1)  # columns of the first part: those before the one that is NULL or may be, or that one alone
    part, rest = (names[:at], operator, values[:at]), (columns[at:], operator, values[at:])
    equal = Q(RowComparison(names[:at], "=", values[:at]))
    if split[0] > 0:
        return [*ranges(*rest, same & equal), same & Q(RowComparison(*part))]
    empty, filled = (Q(**{f"{names[0]}__isnull": answer}) for answer in (True, False))
    if values[0] is None:
        return [*ranges(*rest, same & empty), *([] if rising else [same & filled])]
    if split == [0]:
        return [same & Q(RowComparison(names, operator, values)), same & empty]
    return [*ranges(*rest, same & equal), same & Q(RowComparison(*part)), same & empty]


def page(queryset: QuerySet[M], order: Order, cursor: Cursor | None, limit: int) -> Page[M]:
    """One query for `limit` rows and the one that tells whether there are more; two where rows without a value begin.

    Raises ImproperlyConfigured as `columns_of`.
    """
    model, backwards = queryset.model, cursor is not None and cursor.backwards
    behind = [Q()]
    if cursor:
        behind = ranges(columns_of(model, order), order.beyond(backwards=backwards), cursor.values)
    rows: list[M] = []
    for each in behind:
        if len(rows) <= limit:
            ordered = queryset.filter(each).order_by(*order.terms(model, backwards=backwards))
            rows += ordered[: limit + 1 - len(rows)]
    return cut(rows, cursor, limit, lambda row: values_of(row, order))


def cut(rows: list[R], cursor: Cursor | None, limit: int, values: Callable[[R], tuple[Any, ...]]) -> Page[R]:
    """The page of rows fetched from `cursor` on, in the direction of the cursor and one more than `limit`.

    `values` gives a row's values of the order's columns.
    """
    backwards = cursor is not None and cursor.backwards
    more = len(rows) > limit
    rows = rows[:limit]
    if backwards:
        rows.reverse()
    first = Cursor(values(rows[0]), backwards=True) if rows else None
    last = Cursor(values(rows[-1])) if rows else None
    if backwards:
        return Page(rows, next=last, previous=first if more else None)
    return Page(rows, next=last if more else None, previous=first if cursor else None)


def values_of(row: Model, order: Order) -> tuple[Any, ...]:
    return tuple(getattr(row, column.attname) for column in columns_of(type(row), order))


def binding(request: Request, audience: str) -> str:
    """What a cursor is bound to: who may see the rows, the path and every parameter that chooses or orders them."""
    return salted_hmac(f"{SALT}.binding", subject(request, audience)).hexdigest()[:16]


def subject(request: Request, audience: str) -> str:
    """The rows that a request asks for, in words: equal for equal rows in equal order."""
    plain = inner(request)
    if not hasattr(plain, "chosen"):  # 4,000 values take 20 ms
        kept = [(name, values) for name, values in request.query_params.lists() if name not in FREE]
        plain.chosen = urlencode(sorted((name, value) for name, values in kept for value in values))
    return f"{audience} {request.path} {plain.chosen}"


def encode(cursor: Cursor, bound_to: str) -> str:
    """The cursor as opaque text, signed."""
    values = [plain(value) for value in cursor.values]
    return signing.Signer(salt=SALT).sign_object([bound_to, cursor.backwards, values])


def plain(value: Any) -> Any:
    """`value` as JSON has it; a column's `to_python` takes it back."""
    if value is None or isinstance(value, (str, int, float)):
        return value
    if isinstance(value, (date, time)):
        return value.isoformat()
    return duration_string(value) if isinstance(value, timedelta) else str(value)


def decode(text: str, bound_to: str, model: type[Model], order: Order) -> Cursor:
    """Raises ValidationError for a cursor that this service did not make or made for another query."""
    try:
        if len(text) > CURSOR_MOST:
            raise signing.BadSignature
        made_for, backwards, signed = signing.Signer(salt=SALT).unsign_object(text)
    except (signing.BadSignature, ValueError):
        raise ValidationError({"cursor": [GARBLED]}) from None
    if made_for != bound_to:
        raise ValidationError({"cursor": [FOREIGN]})
    try:
        columns = list(zip(columns_of(model, order), signed, strict=True))
        if any(value is None and not column.null for column, value in columns):
            raise ValueError
        values = tuple(stored(column).to_python(value) for column, value in columns)
    except (InvalidValue, ValueError, TypeError):  # signed before the order's columns changed
        raise ValidationError({"cursor": [GARBLED]}) from None
    return Cursor(values, backwards)
