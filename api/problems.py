"""Every error as an RFC 9457 problem document.

`type, title, status, detail, instance, code, request_id` and, where one can be named, `errors`: a
list of `{name, code, detail}`, `name` being the dotted path of the field, parameter or header.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent
from django.http import HttpRequest, HttpResponse
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import Error, ErrorResponse, ExceptionHandlerContext
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from api import outages
from api.exceptions import TooLarge, Unavailable
from api.requests import inner
from api.serializers import MOST_ERRORS, cut

MEDIA_TYPE = "application/problem+json"
LONGEST_NAME, LONGEST_DETAIL = 150, 300  # characters: both may repeat what was sent, of which 1 MB is read


def handle(exc: Exception, context: ExceptionHandlerContext) -> Response | None:
    """DRF's `EXCEPTION_HANDLER`."""
    return ProblemHandler(exc, context).run()


class ProblemHandler(ExceptionHandler):
    def convert_known_exceptions(self, exc: Exception) -> Exception:
        if isinstance(exc, RequestDataTooBig):
            return TooLarge(f"The body is longer than {settings.API_BODY_LIMIT} bytes.")
        if isinstance(exc, TooManyFieldsSent):
            most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
            return exceptions.ParseError(f"The query has more than {most} parameters.", "too_many_parameters")
        if isinstance(exc, SuspiciousOperation):
            return exceptions.ParseError(str(exc))
        return outages.unavailable(exc) or super().convert_known_exceptions(exc)

    def format_exception(self, exc: exceptions.APIException) -> dict[str, Any]:
        problem: dict[str, Any] = ProblemFormatter(exc, self.context, self.exc).run()
        return problem

    def get_response(self, exc: exceptions.APIException, data: dict[str, Any]) -> Response:
        response: Response = super().get_response(exc, data)
        request: Any = self.context["request"]
        if exc.status_code >= 500:  # a page would look up the user, and with them what has just failed
            request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
        renderer = getattr(request, "accepted_renderer", None)
        if renderer is None or renderer.media_type != "text/html":
            response.content_type = MEDIA_TYPE
        return response

    def report_exception(self, exc: exceptions.APIException, response: Response) -> None:
        """An outage is no bug of ours: it has its line in the log, and no traceback for each request that meets it."""
        if not isinstance(exc, Unavailable):
            super().report_exception(exc, response)


class ProblemFormatter(ExceptionFormatter):
    def get_errors(self) -> list[Error]:
        """Of more than `MOST_ERRORS` one too many, to tell by."""
        return list(islice(flattened(self.exc.detail), MOST_ERRORS + 1))

    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        listed = error_response.errors[:MOST_ERRORS]
        errors = [
            {"name": name, "code": error.code, "detail": printable(error.detail, LONGEST_DETAIL)}
            for error in listed
            if (name := name_of(error.attr))
        ]
        code, detail = listed[0].code, printable(listed[0].detail, LONGEST_DETAIL)
        if isinstance(self.exc, exceptions.ValidationError):
            code = "invalid"
            detail = "; ".join(f"{error['name']}: {error['detail']}" for error in errors[:3]) or detail
        if len(error_response.errors) > len(listed):
            detail += f" There are more errors than the {len(listed)} that are listed."
        request: Any = self.context["request"]
        return problem(request, self.exc.status_code, code, detail, errors)


def flattened(detail: Any) -> Iterator[Error]:
    """Each error of an exception's detail with its dotted path, the outer ones first.

    `flatten_errors` of drf-standardized-errors, which makes a list of however many there are.
    """
    waiting = deque([("", detail)])
    while waiting:
        path, each = waiting.popleft()
        above = f"{path}." if path else ""
        if isinstance(each, exceptions.ErrorDetail):
            yield Error(each.code or "invalid", str(each), path)
        elif isinstance(each, dict):
            waiting.extend((f"{above}{key}", value) for key, value in each.items())
        else:
            waiting.extend((path, error) for error in each if isinstance(error, exceptions.ErrorDetail))
            nested = [value for value in each if not isinstance(value, exceptions.ErrorDetail)]
            waiting.extend((f"{above}{index}", value) for index, value in enumerate(nested))


def name_of(attr: str | None) -> str:
    """The dotted path of what an error is about, "" for the whole body; DRF names whole objects by a key of its own."""
    return printable(attr or "", LONGEST_NAME).removesuffix(api_settings.NON_FIELD_ERRORS_KEY).removesuffix(".")


def printable(text: str, longest: int) -> str:
    """`text` cut, and what UTF-8 can't carry escaped: JSON may name half of a surrogate pair, messages repeat it."""
    return cut(text, longest).encode("utf-8", "backslashreplace").decode()


def problem(
    request: Request | HttpRequest, status: int, code: str, detail: str, errors: list[dict[str, str]] | None = None
) -> dict[str, Any]:
    """The document as a dict. `instance` is the request's path without its query, which may be personal."""
    return {
        "type": f"urn:problem:orders:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "instance": request.path,
        "code": code,
        "request_id": getattr(inner(request), "id", ""),
        "errors": errors or [],
    }


def response(request: HttpRequest, status: int, code: str, detail: str) -> HttpResponse:
    """The document as an answer of Django's own machinery, outside any DRF view."""
    body = json.dumps(problem(request, status, code, detail))
    return HttpResponse(body, status=status, content_type=MEDIA_TYPE)
