"""Filters of lists: strict values, repeatable where a client may name several."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field

MOST_VALUES = 1000  # of one repeated parameter
MOST_ID = 2**63 - 1
ISO_DATE = "%Y-%m-%d"


class RepeatedIdField(forms.Field):
    """Ids, each a whole number: `office=1&office=2`."""

    widget = forms.SelectMultiple

    def clean(self, value: Any) -> list[int]:
        values = value or []
        if len(values) > MOST_VALUES:
            raise ValidationError(f"At most {MOST_VALUES} values.")
        for text in values:
            if not re.fullmatch(r"[0-9]{1,19}", text) or not 0 < int(text) <= MOST_ID:
                raise ValidationError(f"Not an id: {text[:40]!r}.")
        return [int(text) for text in values]


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
    """Matches any of the values given: `status=placed&status=approved`. `items` is the schema of one value."""

    items: dict[str, Any] = {"type": "string"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, lookup_expr="in", **kwargs)
        schema = {"type": "array", "maxItems": MOST_VALUES, "items": self.items}
        text = " ".join(filter(None, [kwargs.get("help_text"), "May be repeated: any of the values matches."]))
        extend_schema_field(schema | {"description": text})(self)


class RepeatedIdFilter(RepeatedFilter):
    field_class = RepeatedIdField
    items = {"type": "integer", "minimum": 1, "maximum": MOST_ID}


class RepeatedChoiceFilter(RepeatedFilter):
    field_class = forms.MultipleChoiceField

    def __init__(self, *args: Any, choices: list[tuple[str, str]], **kwargs: Any) -> None:
        self.items = {"type": "string", "enum": [value for value, _ in choices]}
        super().__init__(*args, choices=choices, **kwargs)


@extend_schema_field(OpenApiTypes.DATETIME)
class InstantFilter(django_filters.Filter):
    field_class = InstantField


@extend_schema_field(OpenApiTypes.DATE)
class DateFilter(django_filters.DateFilter):
    """A calendar day: `2026-01-31`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, input_formats=[ISO_DATE], **kwargs)


class StartFilter(django_filters.CharFilter):
    """The start of a text, as it stands: stripped of its spaces, a text of spaces would match everything."""

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
