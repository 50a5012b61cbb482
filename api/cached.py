"""Values of the shared cache as bytes, none of which runs when it is read: who writes to Redis need not be trusted."""

from __future__ import annotations

import json
from typing import Any

FORM = 2
"""Part of every key (Django's `VERSION`): raise it with the form, as an old and a new release share one Redis."""
BYTES = b"\0"  # before a value of bytes; JSON never begins so


class PlainSerializer:
    """Bytes as they are, all else as JSON. (Whole numbers are Redis' own, and never come here.)"""

    def __init__(self, options: dict[str, Any]) -> None:
        pass  # those of the cache

    def dumps(self, value: Any) -> bytes:
        return BYTES + value if type(value) is bytes else json.dumps(value).encode()

    def loads(self, value: bytes) -> Any:
        """None for what can't be read, as if it were not there."""
        if value[:1] == BYTES:
            return value[1:]
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return None
