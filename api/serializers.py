"""What the serializers of the API share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

MOST_NAMED = 100  # unknown keys; a body has room for many more
JSON_TYPES: dict[type[serializers.Field[Any, Any, Any, Any]], tuple[str, tuple[type, ...]]] = {
    serializers.CharField: ("a string", (str,)),
    serializers.IntegerField: ("a whole number", (int, float)),  # 2.0 is one in JSON; 2.5 is refused by the field
    serializers.BooleanField: ("true or false", (bool,)),
}


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses what DRF lets pass: keys that it does not know, and values of another JSON type.

    A misspelt or read-only field must not be ignored in silence, nor the string "2" be taken for a number.
    """

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {name: field for name, field in self.fields.items() if not field.read_only}
            unknown = [str(name)[:100] for name in data if name not in known]
            if unknown:
                message = f"Unknown or read-only field. Known are: {', '.join(sorted(known))}."
                raise ValidationError({name: [message] for name in unknown[:MOST_NAMED]})
            wrong = {name: [text] for name, value in data.items() if (text := mistyped(known[name], value))}
            if wrong:
                raise ValidationError(wrong)
        return super().to_internal_value(data)


def mistyped(field: serializers.Field[Any, Any, Any, Any], value: Any) -> str | None:
    """What to say of a value whose JSON type is not the field's; null is the field's own business."""
    for kind, (name, types) in JSON_TYPES.items():
        if isinstance(field, kind) and value is not None:
            fits = isinstance(value, types) and (bool in types or not isinstance(value, bool))
            return None if fits else f"Must be {name}."
    return None
