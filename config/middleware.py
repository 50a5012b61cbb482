"""Middleware of every request."""

from __future__ import annotations

from collections.abc import Callable

from csp.constants import HEADER
from csp.utils import build_policy
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from api.requests import request_id


class RequestIdMiddleware:
    """Gives every request an id, the router's `X-Request-Id` if it sent a plausible one, and answers with it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        request.id = request_id(request.META)  # type: ignore[attr-defined]
        response = self.get_response(request)
        response.headers["X-Request-Id"] = request.id  # type: ignore[attr-defined]
        return response


class ContentSecurityPolicyMiddleware:
    """django-csp's policy, built once: its own middleware does so for each answer, a tenth of a 304 (measured)."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response
        self.policy = build_policy()

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if not settings.DEBUG or response.status_code not in (404, 500):  # Django's own pages, with scripts inside
            response.headers.setdefault(HEADER, self.policy)
        return response
