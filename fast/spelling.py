"""How SQL spells a column's value, so that it is the JSON that DRF would have made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import (
    BooleanField,
    CharField,
    DateField,
    DateTimeField,
    DecimalField,
    DurationField,
    Expression,
    F,
    Field,
    FloatField,
    Func,
    IntegerField,
    JSONField,
    Subquery,
    TextField,
    TimeField,
    UUIDField,
)
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.settings import api_settings
from rest_framework.utils.encoders import JSONEncoder

from api.shaping import own_attributes, stored

ENCODER = JSONEncoder(ensure_ascii=JSONRenderer.ensure_ascii, allow_nan=not JSONRenderer.strict, separators=(",", ":"))
MOST_ARGUMENTS = 100  # of one function, in PostgreSQL
ISO = "iso-8601"

Bound = serializers.Field[Any, Any, Any, Any]
Spelling = Callable[[F], Expression]
Back = Callable[[Any], Any]


def nothing(context: Mapping[str, Any]) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True)
class InSql:
    """How SQL writes the JSON that a serializer's method or a model's property gives.

    `expression` gets a function from a column's name to the column. `values` are those of the expression's slots in
    a request, made of a serializer's context.
    """

    expression: Callable[[Callable[[str], F]], Expression]
    values: Callable[[Mapping[str, Any]], Mapping[str, Any]] = nothing


def spelling_of(field: Bound, column: Field[Any, Any]) -> Spelling | None:
    """How SQL writes `column` as `field` does; None where it is left to the field."""
    if hasattr(column, "from_db_value"):  # what the database has is not what the field gets
        return None
    of_field: Any = type(field)
    if own_attributes(of_field):
        return None
    for kind, matches, spelling in SPELLINGS:
        if type(field).to_representation is kind.to_representation and isinstance(field, kind):
            return spelling if matches(field, column) else None
    return None


def raw_spelling_of(column: Any) -> Spelling | None:
    """How SQL writes a column's value as the renderer does, with no field between; None where it can't."""
    kind = stored(column)
    if hasattr(kind, "from_db_value"):
        return None
    return next((spelling for of, spelling in RAW if isinstance(kind, of)), None)


def key_spelling_of(field: Any, column: Any) -> Spelling | None:
    """How SQL writes a foreign key as `field` does: DRF's own for it, without a `pk_field`, shows it as it is."""
    kind, related = type(field).to_representation, serializers.PrimaryKeyRelatedField
    is_plain = isinstance(field, related) and kind is related.to_representation and field.pk_field is None
    return raw_spelling_of(column) if is_plain else spelling_of(field, stored(column))


def as_json(column: Any) -> Spelling:
    """How a column's value goes into JSON for Python to read; `in_json` has the way back."""
    return number if isinstance(stored(column), PLAIN) else as_text


def in_json(column: Any) -> Back | None:
    """What makes of `as_json`'s value the one that Django would have read; None for types that may change there."""
    kind: Any = stored(column)
    if isinstance(kind, JSONField):
        return same if kind.decoder is None and type(kind).from_db_value is JSONField.from_db_value else None
    back: Back = same
    if isinstance(kind, DateTimeField):
        back = partial(moment_of, kind)
    elif isinstance(kind, CONVERTED):
        back = kind.to_python
    elif not isinstance(kind, PLAIN):
        return None
    if hasattr(kind, "from_db_value"):
        return lambda value: kind.from_db_value(None if value is None else back(value), None, connection)
    return back


def same(value: Any) -> Any:
    return value


def moment_of(column: Any, text: str) -> Any:
    moment = column.to_python(text)
    return moment.astimezone(UTC) if moment.tzinfo else moment


def text(column: Expression | F) -> Expression:
    return Spelt(column, template="to_json(%(expressions)s)")


def number(column: F) -> Expression:
    return Spelt(column, template="%(expressions)s")


def as_text(column: F) -> Expression:
    return Spelt(column, template="(%(expressions)s)::text")


def boolean(column: F) -> Expression:
    return Spelt(column, template="(%(expressions)s)::text")


def decimal(column: F) -> Expression:
    return Spelt(column, template="('\"' || %(expressions)s || '\"')")


def moment(column: F) -> Expression:
    written = "to_char(%(expressions)s AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US')"
    return Spelt(column, template=f"('\"' || replace({written}, '.000000', '') || 'Z\"')")


def decimal_fits(field: Any, column: Any) -> bool:
    as_text = getattr(field, "coerce_to_string", api_settings.COERCE_DECIMAL_TO_STRING)
    plain = as_text and not field.localize and not field.normalize_output and field.rounding is None
    return bool(isinstance(column, DecimalField) and plain and field.decimal_places == column.decimal_places)


def moment_fits(field: Any, column: Any) -> bool:
    in_utc = settings.USE_TZ and settings.TIME_ZONE == "UTC" and getattr(field, "timezone", None) is None
    plain = (getattr(field, "format", api_settings.DATETIME_FORMAT) or "").lower() == ISO
    return bool(isinstance(column, DateTimeField) and in_utc and plain)


def date_fits(field: Any, column: Any) -> bool:
    plain = (getattr(field, "format", api_settings.DATE_FORMAT) or "").lower() == ISO
    return isinstance(column, DateField) and not isinstance(column, DateTimeField) and plain


def big_number_fits(field: Any, column: Any) -> bool:
    as_text = getattr(field, "coerce_to_string", api_settings.COERCE_BIGINT_TO_STRING)
    return isinstance(column, IntegerField) and not as_text


def is_verbose(field: Any, column: Any) -> bool:
    return isinstance(column, UUIDField) and field.uuid_format == "hex_verbose"


def is_text(field: Any, column: Any) -> bool:
    return isinstance(column, (CharField, TextField))


def choices_are_text(field: Any, column: Any) -> bool:
    return is_text(field, column) and all(isinstance(value, str) for value in field.choices)


SPELLINGS: list[tuple[type[Bound], Callable[[Any, Any], bool], Spelling]] = [
    (serializers.IntegerField, lambda field, column: isinstance(column, IntegerField), number),
    (serializers.BigIntegerField, big_number_fits, number),
    (serializers.CharField, is_text, text),
    (serializers.ChoiceField, choices_are_text, text),
    (serializers.BooleanField, lambda field, column: isinstance(column, BooleanField), boolean),
    (serializers.DecimalField, decimal_fits, decimal),
    (serializers.DateTimeField, moment_fits, moment),
    (serializers.DateField, date_fits, text),
    (serializers.UUIDField, is_verbose, text),
    (serializers.ModelField, lambda field, column: type(column) is DateField, text),
]

RAW: list[tuple[type[Field[Any, Any]], Spelling]] = [
    (IntegerField, number),
    (BooleanField, boolean),
    (UUIDField, text),
    (CharField, text),
    (TextField, text),
]
PLAIN = (IntegerField, CharField, TextField, BooleanField, JSONField)  # columns whose JSON gives their value back
CONVERTED = (DecimalField, DateField, TimeField, DurationField, UUIDField, FloatField)  # whose text does


# --- SQL


class Text(Expression):
    """A text of the code's own, as a literal."""

    output_field = TextField()

    def __init__(self, value: str) -> None:
        super().__init__()
        self.value = value

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        quoted = self.value.replace("'", "''").replace("%", "%%")
        return f"'{quoted}'", ()

    def get_group_by_cols(self) -> list[Any]:
        return []


class Joined(Subquery):
    """A subquery's texts, in its order, with commas between them."""

    template = "array_to_string(ARRAY(%(subquery)s), ',')"
    output_field = TextField()

    def as_sqlite(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        each = "(WITH each(written) AS (%(subquery)s) SELECT coalesce(group_concat(written), '') FROM each)"
        return self.as_sql(compiler, connection, template=each)


class Spelt(Func):
    """The JSON of a column, by a template."""

    output_field = TextField()

    def get_group_by_cols(self) -> list[Any]:
        return [column for source in self.source_expressions for column in source.get_group_by_cols()]


class Formula(Func):
    """A text, by a template that has `{}` for each source, in their order."""

    output_field = TextField()

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:  # type: ignore[override]
        compiled = [compiler.compile(source) for source in self.source_expressions]
        sql = self.extra["template"].format(*(part for part, _ in compiled))
        return sql, tuple(value for _, values in compiled for value in values)


def or_null(shown: Expression) -> Expression:
    return Spelt(shown, template="coalesce((%(expressions)s)::text, 'null')")


def joined(pieces: Sequence[Expression | str]) -> Expression:
    """One text of all of them; neighbouring texts, also those of parts, are one literal."""
    flat: list[Expression] = []
    for piece in pieces:
        parts = (
            piece.source_expressions
            if isinstance(piece, Concat)
            else [Text(piece) if isinstance(piece, str) else piece]
        )
        for part in parts:
            if isinstance(part, Text) and flat and isinstance(flat[-1], Text):
                flat[-1] = Text(flat[-1].value + part.value)
            else:
                flat.append(part)
    while len(flat) > MOST_ARGUMENTS:
        flat = [Concat(*flat[at : at + MOST_ARGUMENTS]) for at in range(0, len(flat), MOST_ARGUMENTS)]
    return Concat(*flat)


class Concat(Func):
    function = "concat"
    output_field = TextField()


def escaped(text: str) -> str:
    """JSON allows these two in strings, and JavaScript did not: DRF's renderer escapes them."""
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def spelt(value: Any) -> str:
    """`value` as DRF's renderer writes it."""
    return ENCODER.encode(value)
