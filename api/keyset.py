"""Keyset pagination: a page costs the same at any depth, and rows with equal keys are never lost.

The order is total (its last column is the primary key), and a page starts behind the row that the
cursor names, by a comparison of row values that the index answers. DRF's CursorPagination is not
used: past 1,000 rows of one sort value it never ends, and a garbled cursor is a 500.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from django.core import signing
from django.core.exceptions import ValidationError as InvalidValue
from django.db.models import BooleanField, F, Func, Model, QuerySet, Value
from django.utils.crypto import salted_hmac
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

M = TypeVar("M", bound=Model)
R = TypeVar("R")

CURSOR_MOST = 4000  # characters; a name of 200 outside the basic plane takes 3,300
SALT = "api.keyset"
FREE = frozenset({"cursor", "limit", "fields", "expand", "format"})  # parameters that choose and order no rows
GARBLED = "Not a cursor of this service. Take `next` or `previous` as it was answered."
FOREIGN = "This cursor was made for another query or for other rights. Keep the filters while you follow a cursor."


@dataclass(frozen=True, slots=True)
class Order:
    """A total order: columns of the model, the primary key last, all in one direction."""

    columns: tuple[str, ...]
    descending: bool = False

    def names(self, *, backwards: bool = False) -> list[str]:
        sign = "-" if self.descending != backwards else ""
        return [sign + column for column in self.columns]

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


def page(queryset: QuerySet[M], order: Order, cursor: Cursor | None, limit: int) -> Page[M]:
    """One query for `limit` rows and the one that tells whether there are more."""
    backwards = cursor is not None and cursor.backwards
    if cursor:
        queryset = queryset.filter(RowComparison(order.columns, order.beyond(backwards=backwards), cursor.values))
    rows = list(queryset.order_by(*order.names(backwards=backwards))[: limit + 1])
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
    return tuple(getattr(row, column) for column in order.columns)


def binding(request: Request, audience: str) -> str:
    """What a cursor is bound to: who may see the rows, the path and every parameter that chooses or orders them."""
    return salted_hmac(f"{SALT}.binding", subject(request, audience)).hexdigest()[:16]


def subject(request: Request, audience: str) -> str:
    """The rows that a request asks for, in words: equal for equal rows in equal order."""
    chosen = sorted(
        (name, value) for name, values in request.query_params.lists() if name not in FREE for value in values
    )
    return f"{audience} {request.path} {urlencode(chosen)}"


def encode(cursor: Cursor, bound_to: str) -> str:
    """The cursor as opaque text, signed."""
    values = [value.isoformat() if isinstance(value, datetime) else value for value in cursor.values]
    return signing.Signer(salt=SALT).sign_object([bound_to, cursor.backwards, values])


def decode(text: str, bound_to: str, model: type[Model], order: Order) -> Cursor:
    """Raises ValidationError for a cursor that this service did not make or made for another query."""
    try:
        if len(text) > CURSOR_MOST:
            raise signing.BadSignature
        made_for, backwards, plain = signing.Signer(salt=SALT).unsign_object(text)
    except (signing.BadSignature, ValueError):
        raise ValidationError({"cursor": [GARBLED]}) from None
    if made_for != bound_to:
        raise ValidationError({"cursor": [FOREIGN]})
    try:
        values = [
            model._meta.get_field(column).to_python(value)  # type: ignore[union-attr]
            for column, value in zip(order.columns, plain, strict=True)
        ]
    except (InvalidValue, ValueError):  # signed before the order's columns changed
        raise ValidationError({"cursor": [GARBLED]}) from None
    return Cursor(tuple(values), backwards)
