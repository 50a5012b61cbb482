"""Middleware of every request."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase

ROUTER_ID = re.compile(r"[A-Za-z0-9_-]{8,200}")


class RequestIdMiddleware:
    """Gives every request an id, the router's `X-Request-Id` if it sent a plausible one, and answers with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        given = request.headers.get("X-Request-Id", "")
        request.id = given if ROUTER_ID.fullmatch(given) else str(uuid.uuid4())  # type: ignore[attr-defined]
        response = self.get_response(request)
        response.headers["X-Request-Id"] = request.id  # type: ignore[attr-defined]
        return response
