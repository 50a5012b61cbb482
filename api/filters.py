"""Filters of lists: strict values, repeatable where a client may name several."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import isfinite
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import FieldDoesNotExist, ImproperlyConfigured, ValidationError
from django.db import models
from django.db.models.constants import LOOKUP_SEP
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

from api.expressions import AmongNumbers, numbers
from api.shaping import stored

MOST_VALUES = 1000  # of one repeated parameter
FEW = 50  # ids that are parameters of their own
MOST_ID = 2**63 - 1
ISO_DATE = "%Y-%m-%d"
ISO_TIMES = ["%H:%M", "%H:%M:%S", "%H:%M:%S.%f"]


class RepeatedField(forms.Field):
    """Values of a parameter that may be repeated, each read by the field `each`."""

    widget = forms.SelectMultiple
    each: forms.Field

    def clean(self, value: Any) -> list[Any]:
        return [self.one(text) for text in texts(value)]

    def one(self, text: str) -> Any:
        return self.each.clean(text)


class RepeatedIdField(RepeatedField):
    """Ids, each a whole number: `office=1&office=2`."""

    def one(self, text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,19}", text) or not 0 < int(text) <= MOST_ID:
            raise ValidationError(f"Not an id: {text[:40]!r}.")
        return int(text)


class RepeatedChoiceField(forms.MultipleChoiceField):
    def clean(self, value: Any) -> Any:
        return super().clean(texts(value))


def texts(value: Any) -> list[str]:
    """All that was given for a parameter, by a query or as a single value."""
    values = [str(each) for each in (value if isinstance(value, (list, tuple)) else [value]) if each is not None]
    if len(values) > MOST_VALUES:
        raise ValidationError(f"At most {MOST_VALUES} values.")
    return values


class InstantField(forms.CharField):
    """A moment as RFC 3339 writes it, with its offset: `2026-01-31T08:00:00Z`."""

    def clean(self, value: Any) -> datetime | None:
        if not value:
            return None
        try:
            moment = parse_datetime(super().clean(value))
            if moment is None or moment.tzinfo is None:
                raise ValueError
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError("Not a time with an offset, such as 2026-01-31T08:00:00Z.") from None


class RepeatedFilter(django_filters.Filter):
    """Matches any of the values given: `currency=EUR&currency=USD`, each read as what the column holds.

    `items` is the schema of one value, where the column does not say. Raises ImproperlyConfigured for a column whose
    values have no plain text.
    """

    field_class: type[forms.Field] = RepeatedField
    items: dict[str, Any] | None = None
    columns: tuple[type[models.Field[Any, Any]], ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, lookup_expr="in", **kwargs)
        extend_schema_field(self.schema(None))(self)

    def schema(self, model: type[models.Model] | None) -> dict[str, Any]:
        """What clients are told, of the values of a column of `model`."""
        items = self.items or (self.kind(model).schema if model else {"type": "string"})
        text = " ".join(filter(None, [self.extra.get("help_text"), "May be repeated: any of the values matches."]))
        return {"type": "array", "maxItems": MOST_VALUES, "items": items, "description": text}

    def kind(self, model: type[models.Model]) -> Kind:
        return TEXT if self.method else kind_of(column_at(model, self.field_name))

    @property
    def field(self) -> forms.Field:
        field: forms.Field = super().field
        if type(field) is RepeatedField and not hasattr(field, "each"):
            column = None if self.method else column_at(self.model, self.field_name)
            field.each = self.kind(self.model).reader(column)
        return field

    def filter(self, qs: models.QuerySet[Any], value: Any) -> models.QuerySet[Any]:
        if not value or not leads_to_many(qs.model, self.field_name):
            return super().filter(qs, value)  # type: ignore[no-any-return]
        found = qs.model._base_manager.filter(**{f"{self.field_name}__in": value})
        return self.get_method(qs)(pk__in=found.values("pk"))  # type: ignore[no-any-return]


class RepeatedIdFilter(RepeatedFilter):
    field_class = RepeatedIdField
    items = {"type": "integer", "minimum": 1, "maximum": MOST_ID}
    columns = (models.IntegerField,)

    def filter(self, qs: models.QuerySet[Any], value: Any) -> models.QuerySet[Any]:
        if len(value or ()) <= FEW or leads_to_many(qs.model, self.field_name):
            return super().filter(qs, value)
        among = AmongNumbers(models.F(self.field_name), models.Value(numbers(value)))
        return self.get_method(qs)(among)  # type: ignore[no-any-return]


class RepeatedChoiceFilter(RepeatedFilter):
    field_class = RepeatedChoiceField
    columns = (models.CharField, models.TextField, models.IntegerField)

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        self.items = {"type": "string", "enum": [value for value, _ in choices]}
        super().__init__(*args, choices=choices, **kwargs)


@extend_schema_field(OpenApiTypes.DATETIME)
class InstantFilter(django_filters.Filter):
    field_class = InstantField
    columns = (models.DateTimeField,)


@extend_schema_field(OpenApiTypes.DATE)
class DateFilter(django_filters.DateFilter):
    """A calendar day: `2026-01-31`."""

    columns = (models.DateField,)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, input_formats=[ISO_DATE], **kwargs)


class StartFilter(django_filters.CharFilter):
    """The start of a text, as it stands: stripped of its spaces, a text of spaces would match everything."""

    columns = (models.CharField, models.TextField)

    def __init__(self, *args: Any, lookup_expr: str = "startswith", **kwargs: Any) -> None:
        super().__init__(*args, lookup_expr=lookup_expr, strip=False, **kwargs)


class BooleanField(forms.Field):
    """`true` or `false`. Django's own takes anything else for "not given", which would ignore it."""

    def clean(self, value: Any) -> bool | None:
        if value in (None, ""):
            return None
        if value not in ("true", "false"):
            raise ValidationError("Must be true or false.")
        return bool(value == "true")


@extend_schema_field(OpenApiTypes.BOOL)
class BooleanFilter(django_filters.Filter):
    field_class = BooleanField
    columns = (models.BooleanField,)


class VersionField(forms.Field):
    def clean(self, value: Any) -> int | None:
        if value in (None, ""):
            return None
        if not re.fullmatch(r"[0-9]{1,19}", value) or int(value) > MOST_ID:
            raise ValidationError("Must be a version, a whole number.")
        return int(value)


@extend_schema_field({"type": "integer", "minimum": 0, "maximum": MOST_ID})
class VersionFilter(django_filters.Filter):
    field_class = VersionField
    columns = (models.IntegerField,)


# --- What a column holds


class NumberField(forms.Field):
    """A number in plain figures, for a column of this kind."""

    def __init__(self, column: Any) -> None:
        super().__init__()
        self.column = column
        self.whole = isinstance(column, models.IntegerField)

    def clean(self, value: Any) -> Any:
        if not re.fullmatch(r"-?[0-9]{1,400}" if self.whole else r"-?[0-9]{1,400}(\.[0-9]{1,400})?", value):
            raise ValidationError(f"Not a {'whole ' if self.whole else ''}number: {value[:40]!r}.")
        if self.whole and abs(int(value)) > MOST_ID:
            raise ValidationError("Out of range.")
        number = self.column.to_python(value)
        if isinstance(self.column, models.DecimalField):
            self.column.run_validators(number)
        elif not isfinite(number):
            raise ValidationError("Out of range.")
        return number


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """How values of a kind of column are read from a query, and their schema."""

    column: type[models.Field[Any, Any]]
    reader: Callable[[Any], forms.Field]
    schema: dict[str, Any]


TEXT = Kind(models.TextField, lambda column: forms.CharField(strip=False), {"type": "string"})
KINDS = (  # a moment's column is a day's too, for Python
    Kind(models.BooleanField, lambda column: BooleanField(), {"type": "boolean"}),
    Kind(models.DateTimeField, lambda column: InstantField(), {"type": "string", "format": "date-time"}),
    Kind(
        models.DateField,
        lambda column: forms.DateField(input_formats=[ISO_DATE]),
        {"type": "string", "format": "date"},
    ),
    Kind(
        models.TimeField, lambda column: forms.TimeField(input_formats=ISO_TIMES), {"type": "string", "format": "time"}
    ),
    Kind(models.DecimalField, NumberField, {"type": "string", "format": "decimal"}),
    Kind(models.IntegerField, NumberField, {"type": "integer"}),
    Kind(models.FloatField, NumberField, {"type": "number"}),
    Kind(models.UUIDField, lambda column: forms.UUIDField(), {"type": "string", "format": "uuid"}),
    replace(TEXT, column=models.CharField),
    TEXT,
)


def kind_of(column: models.Field[Any, Any]) -> Kind:
    """Raises ImproperlyConfigured for a kind that has no plain text."""
    for kind in KINDS:
        if isinstance(column, kind.column):
            return kind
    raise ImproperlyConfigured(f"{column.name} can't be filtered by values: it is a {type(column).__name__}.")


def steps(model: type[models.Model], path: str) -> Iterator[Any]:
    """The fields that a lookup's path goes through, a transform's output the last."""
    place: Any = model
    column: Any = None
    for name in path.split(LOOKUP_SEP):
        if place is None:
            transform = column.get_transform(name)
            if not isinstance(transform, type):
                raise ImproperlyConfigured(f"{path} is no column of {model.__name__}: {column.name} has no {name}.")
            output = getattr(transform, "output_field", None)
            column = output if isinstance(output, models.Field) else column
        else:
            try:
                column = place._meta.pk if name == "pk" else place._meta.get_field(name)
            except FieldDoesNotExist:
                raise ImproperlyConfigured(f"{path} is no column of {model.__name__}.") from None
            place = column.related_model if column.is_relation else None
        yield column


def column_at(model: type[models.Model], path: str) -> models.Field[Any, Any]:
    """The column whose values a path compares; of a relation, the one that it points at."""
    *_, column = steps(model, path)
    while column.is_relation:
        to_many = column.one_to_many or column.many_to_many
        column = column.related_model._meta.pk if to_many or not column.concrete else column.target_field
    return stored(column)


def leads_to_many(model: type[models.Model], path: str) -> bool:
    return any(step.is_relation and (step.one_to_many or step.many_to_many) for step in steps(model, path))


def misfit(declared: django_filters.Filter, model: type[models.Model]) -> str:
    """Why one of these filters can't read what it compares with a column of `model`; empty if it can."""
    if not hasattr(declared, "columns") or declared.method:
        return ""
    *transforms, last = declared.lookup_expr.split(LOOKUP_SEP)
    path = LOOKUP_SEP.join([declared.field_name, *transforms])
    try:
        column = column_at(model, path)
        if column.get_lookup(last) is None:  # a transform, whose output is compared
            column = column_at(model, f"{path}{LOOKUP_SEP}{last}")
        kind = kind_of(column)
    except ImproperlyConfigured as fault:
        return str(fault)
    if kind.column in declared.columns or not declared.columns:
        return ""
    name = type(declared).__name__
    return f"{name} reads values of another kind than {path}, which is a {type(column).__name__}."


def parameters_of(declared: Mapping[str, django_filters.Filter]) -> tuple[set[str], set[str]]:
    """The names of the query parameters that filters read: those that may be given once, and the repeatable ones."""
    once, repeatable = set(), set()
    for name, each in declared.items():
        widget = each.extra.get("widget") or each.field_class.widget
        if getattr(widget, "allow_multiple_selected", False):
            repeatable.add(name)
        else:
            once |= {f"{name}_{suffix}" if suffix else name for suffix in getattr(widget, "suffixes", [""])}
    return once, repeatable
