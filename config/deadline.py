"""A deadline for the database work of one request.

`statement_timeout` bounds one statement, not 511 quick ones; this refuses the next query once
`REQUEST_DEADLINE` seconds have passed. The transaction is rolled back, the answer is a 503.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponseBase

from api.exceptions import Unavailable


class DeadlineMiddleware:
    """Counts from where the request enters. A streamed body is not bound: it may take as long as it is read."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        deadline = time.monotonic() + settings.REQUEST_DEADLINE

        def refuse_late(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            if time.monotonic() > deadline:
                raise Unavailable("This took too long and was given up; nothing was written.", "deadline_exceeded")
            return execute(sql, params, many, context)

        with connection.execute_wrapper(refuse_late):
            return self.get_response(request)
