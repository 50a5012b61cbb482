"""Django's request and DRF's."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


def inner(request: Any) -> Any:
    """Django's request inside of DRF's, or `request` itself: what is kept there is there for middleware too."""
    return getattr(request, "_request", request)


def url_of(request: HttpRequest) -> str:
    """All of a GET that is the same for whoever sends it, as a key: its URL and `Accept`."""
    names = ("HTTP_HOST", "PATH_INFO", "QUERY_STRING", "HTTP_ACCEPT")
    return repr((request.scheme, *map(request.META.get, names)))
