"""`Idempotency-Key`: the header, and the digest that tells a repeat from a reuse.

Where key and digest are kept is up to the resource: on its own row, so that they commit with it.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

KEY = re.compile(r"[\x21-\x7e]{1,255}")


def key_of(request: Request) -> str | None:
    """The request's key, None without one. Raises ValidationError unless it is 1 to 255 visible ASCII characters."""
    key = request.headers.get("Idempotency-Key")
    if key is not None and not KEY.fullmatch(key):
        raise ValidationError({"Idempotency-Key": ["Must be 1 to 255 visible ASCII characters."]})
    return key


def digest(payload: Any) -> str:
    """SHA-256 of a validated payload, in hexadecimal; equal for equal content in any spelling."""
    return hashlib.sha256(json.dumps(payload, sort_keys=True, default=str).encode()).hexdigest()
