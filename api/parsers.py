"""JSON bodies of bounded length and depth."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from api.exceptions import TooLarge

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")  # an escape that is half a character


class BoundedJSONParser(JSONParser):
    """DRF's parser reads a body of any length into memory; this one stops at `API_BODY_LIMIT` bytes.

    Raises:
        TooLarge: the body is longer.
        ParseError: it is not JSON, nested so deep that reading it would exhaust the stack, or has text
            that is not Unicode: half a surrogate pair, which no answer could repeat.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        body = stream.read(settings.API_BODY_LIMIT + 1)
        if len(body) > settings.API_BODY_LIMIT:
            raise TooLarge(f"The body is longer than {settings.API_BODY_LIMIT} bytes.")
        try:
            data = super().parse(io.BytesIO(body), media_type, parser_context)
            if SURROGATE.search(body):
                json.dumps(data, ensure_ascii=False).encode()
        except RecursionError:
            raise ParseError("JSON parse error - nested too deep") from None
        except UnicodeEncodeError:
            raise ParseError("JSON parse error - half a surrogate pair is no character") from None
        return data
