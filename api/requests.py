"""Django's request and DRF's."""

from __future__ import annotations

from typing import Any


def inner(request: Any) -> Any:
    """Django's request inside of DRF's, or `request` itself: what is kept there is there for middleware too."""
    return getattr(request, "_request", request)
