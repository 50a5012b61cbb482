"""The views that the URLconf serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


def views() -> Iterator[tuple[str, Any]]:
    """The route of every pattern and its view, a view class where it is one."""
    for route, callback in callbacks():
        yield route, getattr(callback, "cls", callback)


def callbacks(resolver: URLResolver | None = None, above: str = "/") -> Iterator[tuple[str, Any]]:
    """The route of every pattern and the function that it leads to."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = f"{above}{pattern.pattern}"
        if isinstance(pattern, URLPattern):
            yield route, pattern.callback
        else:
            yield from callbacks(pattern, route)
