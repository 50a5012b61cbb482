"""What the serializers of the API share."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

MOST_ERRORS = 50  # in an answer; a body has room for many more
LONGEST_KEY = 100  # characters of an unknown key that are repeated
LONGEST_TEXT = 10_000  # characters, where a field has no limit of its own
JSON_TYPES: dict[type[serializers.Field[Any, Any, Any, Any]], tuple[str, tuple[type, ...]]] = {
    serializers.CharField: ("a string", (str,)),
    serializers.IntegerField: ("a whole number", (int, float)),  # 2.0 is one in JSON; 2.5 is refused by the field
    serializers.BooleanField: ("true or false", (bool,)),
    serializers.ChoiceField: ("a single value", (str, int, float, bool)),
}


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses what DRF lets pass: keys that it does not know, and values of another JSON type.

    A misspelt or read-only field must not be ignored in silence, nor the string "2" be taken for a number.
    """

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {name: field for name, field in self.fields.items() if not field.read_only}
            unknown = [cut(name, LONGEST_KEY) for name in islice((n for n in data if n not in known), MOST_ERRORS + 1)]
            if unknown:
                message = f"Unknown or read-only field. Known are: {', '.join(sorted(known))}."
                raise ValidationError({name: [message] for name in unknown})
            wrong = {name: [text] for name, value in data.items() if (text := unfit(known[name], value))}
            if wrong:
                raise ValidationError(wrong)
        return super().to_internal_value(data)


class BoundedListField(serializers.ListField):
    """Looks at no item of a list that is too long, and at none behind as many errors as an answer shows.

    330,000 wrong items in 1 MB took 118 s and made an answer of 34 MB, 200 of 440 unknown keys each 1.4 s and 2.1 MB
    (measured).
    """

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, list) and self.max_length is not None and len(data) > self.max_length:
            self.fail("max_length", max_length=self.max_length)
        return super().to_internal_value(data)

    def run_child_validation(self, data: Any) -> Any:
        result: list[Any] = []
        errors: dict[Any, Any] = {}
        number = 0
        for index, item in enumerate(data):
            try:
                result.append(self.child.run_validation(item))
            except ValidationError as error:
                errors[index] = error.detail
                number += len(error.detail)
            if number > MOST_ERRORS:
                break
        if errors:
            raise ValidationError(errors)
        return result


def unfit(field: serializers.Field[Any, Any, Any, Any], value: Any) -> str | None:
    """What to say of a value before its field looks at it.

    The JSON type may not be the field's; null is the field's own business. Of a text that is too long DRF would look at
    each character, in Python: 1 MB takes fifty times as long as reading it does (measured).
    """
    for kind, (name, types) in JSON_TYPES.items():
        if isinstance(field, kind) and value is not None:
            fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
            if not fits:
                return f"Must be {name}."
            break
    if isinstance(value, str):
        longest = getattr(field, "max_length", None) or LONGEST_TEXT
        if len(value.strip()) > longest:
            return ErrorDetail(f"Ensure this field has no more than {longest} characters.", "max_length")
    return None


def cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"
