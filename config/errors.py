"""Errors outside the API's views: a problem document below /api, Django's plain pages elsewhere."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.views import defaults

from api import problems


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not is_api(request):
        return defaults.bad_request(request, exception)
    return problems.response(request, 400, "bad_request", "The request can't be understood.")


def server_error(request: HttpRequest) -> HttpResponseBase:
    if not is_api(request):
        return defaults.server_error(request)
    return problems.response(request, 500, "error", "Something went wrong here. The request id finds it in the log.")


def is_api(request: HttpRequest) -> bool:
    return request.path == "/api" or request.path.startswith("/api/")
