"""Middleware as projects add it."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse


def allow_origin(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers["Access-Control-Allow-Origin"] = "https://example.com"
        return response

    return middleware


def only_staff(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """By a header, as a proxy that knows its users sets it."""

    def middleware(request: HttpRequest) -> HttpResponse:
        return get_response(request) if request.headers.get("X-Role") == "staff" else HttpResponse(status=403)

    return middleware
