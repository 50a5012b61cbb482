"""Errors outside the API's views: a problem document below /api, Django's plain pages elsewhere."""

from __future__ import annotations

import sys

from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.views import defaults

from api import outages, problems
from api.exceptions import Unavailable


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    if not is_api(request):
        return defaults.bad_request(request, exception)
    return problems.response(request, 400, "bad_request", "The request can't be understood.")


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django calls it where it handles the exception; one that may be gone the next time is a 503."""
    error = sys.exception()
    passing = error if isinstance(error, Unavailable) else outages.unavailable(error)
    if passing:
        return unavailable(request, passing)
    if not is_api(request):
        return defaults.server_error(request)
    return problems.response(request, 500, "error", "Something went wrong here. The request id finds it in the log.")


def unavailable(request: HttpRequest, error: Unavailable) -> HttpResponse:
    detail, code = str(error.detail), str(error.get_codes())
    if is_api(request):
        response = problems.response(request, error.status_code, code, detail)
    else:
        response = HttpResponse(detail, status=error.status_code, content_type="text/plain")
    response.headers["Retry-After"] = str(error.wait)
    return response


def is_api(request: HttpRequest) -> bool:
    return request.path == "/api" or request.path.startswith("/api/")
