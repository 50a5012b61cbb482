"""Every error as an RFC 9457 problem document.

`type, title, status, detail, instance, code, request_id` and, where one can be named, `errors`: a
list of `{name, code, detail}`, `name` being the dotted path of the field, parameter or header.
"""

from __future__ import annotations

import json
import logging
from http import HTTPStatus
from typing import Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent
from django.db import Error, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from drf_standardized_errors.formatter import ExceptionFormatter
from drf_standardized_errors.handler import ExceptionHandler
from drf_standardized_errors.types import ErrorResponse, ExceptionHandlerContext
from rest_framework import exceptions
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.settings import api_settings

from api.exceptions import TooLarge, Unavailable
from api.requests import inner

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
STATEMENT_CANCELED = "57014"  # SQLSTATE query_canceled: statement_timeout, or an administrator


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
        if isinstance(exc, OperationalError) and sqlstate(exc) == STATEMENT_CANCELED:
            return Unavailable("This took too long and was given up; nothing was written.", "deadline_exceeded")
        if isinstance(exc, (OperationalError, InterfaceError)) and is_outage(exc):
            logger.error("database unavailable: %s", exc)
            return Unavailable("The database can't be reached. Try again shortly.", "database_unavailable")
        return super().convert_known_exceptions(exc)

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
    def format_error_response(self, error_response: ErrorResponse) -> dict[str, Any]:
        first = error_response.errors[0]
        errors = [
            {"name": name_of(error.attr), "code": error.code or "invalid", "detail": printable(error.detail)}
            for error in error_response.errors
            if name_of(error.attr)
        ]
        code, detail = first.code, printable(first.detail)
        if isinstance(self.exc, exceptions.ValidationError):
            code = "invalid"
            detail = "; ".join(f"{error['name']}: {error['detail']}" for error in errors[:3]) or detail
        request: Any = self.context["request"]
        return problem(request, self.exc.status_code, code, detail, errors)


def name_of(attr: str | None) -> str:
    """The dotted path of what an error is about, "" for the whole body; DRF names whole objects by a key of its own."""
    return printable(attr or "").removesuffix(api_settings.NON_FIELD_ERRORS_KEY).removesuffix(".")


def printable(text: str) -> str:
    """`text` with what UTF-8 can't carry escaped: JSON may name half of a surrogate pair, and messages repeat it."""
    return text.encode("utf-8", "backslashreplace").decode()


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


def sqlstate(exc: Error) -> str | None:
    """PostgreSQL's five characters for what went wrong; None where no server said."""
    state: str | None = getattr(exc.__cause__, "pgcode", None)
    return state


def is_outage(exc: Error) -> bool:
    """Whether the server is away, refuses connections or is shutting down, as against a query it refused.

    No SQLSTATE means that no server answered. Classes 08, 53 and 57P are PostgreSQL's connection
    exceptions, insufficient resources and operator intervention (its documentation's appendix A).
    """
    state = sqlstate(exc)
    return state is None or state.startswith(("08", "53", "57P"))
