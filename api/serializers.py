"""What the serializers of the API share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

MOST_NAMED = 100  # unknown keys; a body has room for many more


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses keys that it does not know: a misspelt or read-only field must not be ignored in silence."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            known = {name for name, field in self.fields.items() if not field.read_only}
            unknown = [str(name)[:100] for name in data if name not in known]
            if unknown:
                message = f"Unknown or read-only field. Known are: {', '.join(sorted(known))}."
                raise ValidationError({name: [message] for name in unknown[:MOST_NAMED]})
        return super().to_internal_value(data)


class WholeNumberField(serializers.IntegerField):
    """A JSON number without a fraction. DRF also takes text that Python reads as one, such as "1_000" or "٣"."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)
