"""Django's request and DRF's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def inner(request: Any) -> Any:
    """Django's request inside of DRF's, or `request` itself: what is kept there is there for middleware too."""
    return getattr(request, "_request", request)


def url_of(environ: Mapping[str, Any]) -> str:
    """All of a GET that is the same for whoever sends it, as a key: its URL and `Accept`."""
    return repr(tuple(map(environ.get, ("wsgi.url_scheme", "HTTP_HOST", "PATH_INFO", "QUERY_STRING", "HTTP_ACCEPT"))))
