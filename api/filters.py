"""Filters of lists: strict values, repeatable where a client may name several."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime

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

    def clean(self, value: Any) -> datetime | None:  # type: ignore[override]
        text = super().clean(value)
        if not text:
            return None
        try:
            moment = parse_datetime(text)
            if moment is None or moment.tzinfo is None:
                raise ValueError
            return moment.astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValidationError("Not a time with an offset, such as 2026-01-31T08:00:00Z.") from None


class RepeatedFilter(django_filters.Filter):
    """Matches any of the values given: `status=placed&status=approved`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, lookup_expr="in", **kwargs)


class RepeatedIdFilter(RepeatedFilter):
    field_class = RepeatedIdField


class RepeatedChoiceFilter(RepeatedFilter):
    field_class = forms.MultipleChoiceField


class InstantFilter(django_filters.Filter):
    field_class = InstantField


class DateFilter(django_filters.DateFilter):
    """A calendar day: `2026-01-31`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, input_formats=[ISO_DATE], **kwargs)


class VersionField(forms.Field):
    def clean(self, value: Any) -> int | None:
        if value in (None, ""):
            return None
        if not re.fullmatch(r"[0-9]{1,19}", value) or int(value) > MOST_ID:
            raise ValidationError("Must be a version, a whole number.")
        return int(value)


class VersionFilter(django_filters.Filter):
    field_class = VersionField
