"""Django's request and DRF's, and what the router says of either."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from django.conf import settings

ROUTER_ID = re.compile(r"[A-Za-z0-9_-]{8,200}")


def inner(request: Any) -> Any:
    """Django's request inside of DRF's, or `request` itself: what is kept there is there for middleware too."""
    return getattr(request, "_request", request)


def request_id(environ: Mapping[str, Any]) -> str:
    """The router's `X-Request-Id` if it sent a plausible one, or a new one."""
    given = environ.get("HTTP_X_REQUEST_ID", "")
    return given if ROUTER_ID.fullmatch(given) else str(uuid.uuid4())


def queued_seconds(environ: Mapping[str, Any]) -> float:
    """How long the request waited between the router and here, by the router's `X-Request-Start`.

    That is milliseconds since 1970. 0 where it is not known, and where no router is in front, as there a
    client could set it.
    """
    stamp = environ.get("HTTP_X_REQUEST_START", "") if settings.BEHIND_ROUTER else ""
    return max(0.0, time.time() - int(stamp) / 1000) if stamp.isdecimal() and len(stamp) == 13 else 0.0
