"""JSON bodies of bounded length and depth."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from api.exceptions import TooLarge


class BoundedJSONParser(JSONParser):
    """DRF's parser reads a body of any length into memory; this one stops at `API_BODY_LIMIT` bytes.

    Raises:
        TooLarge: the body is longer.
        ParseError: it is not JSON, or nested so deep that reading it would exhaust the stack.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read(settings.API_BODY_LIMIT + 1)
        if len(body) > settings.API_BODY_LIMIT:
            raise TooLarge(f"The body is longer than {settings.API_BODY_LIMIT} bytes.")
        try:
            return super().parse(io.BytesIO(body), media_type, parser_context)
        except RecursionError:
            raise ParseError("JSON parse error - nested too deep") from None
