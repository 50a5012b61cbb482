"""A deadline for the database work of one request.

`statement_timeout` bounds one statement, not 511 quick ones; this refuses the next query once
`REQUEST_DEADLINE` seconds have passed. The transaction is rolled back, the answer is a 503. A query
that does not come back at all, as from a frozen server, is ended by the watchdog.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponseBase, StreamingHttpResponse

from api.exceptions import Unavailable
from api.requests import queued_seconds
from api.watchdog import GRACE_SECONDS, Watching, watchdog


class DeadlineMiddleware:
    """Counts from where the router took the request in, as its own limit does, or from here where there is none.

    A streamed body may take as long as it is read, but not each part of it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        left = settings.REQUEST_DEADLINE - queued_seconds(request.META)
        deadline = time.monotonic() + left

        def refuse_late(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
            if time.monotonic() > deadline:
                raise Unavailable("This took too long and was given up; nothing was written.", "deadline_exceeded")
            return execute(sql, params, many, context)

        with watchdog.watching(left + GRACE_SECONDS) as databases:
            for database in databases:
                database.execute_wrappers.append(refuse_late)  # `execute_wrapper` without what a generator costs
            try:
                response = self.get_response(request)
            finally:
                for database in databases:
                    database.execute_wrappers.pop()
        if isinstance(response, StreamingHttpResponse) and not isinstance(response, FileResponse):
            response.streaming_content = parts(response.streaming_content)  # type: ignore[arg-type]  # not asynchronous
        if response.streaming or any(database.errors_occurred for database in databases):
            watch_closing(response)
        return response


def watched() -> Watching:
    return watchdog.watching(settings.REQUEST_DEADLINE + GRACE_SECONDS)


def parts(body: Iterable[bytes]) -> Iterator[bytes]:
    """A streamed body, watched while a part is made, and not while the client reads it."""
    iterator = iter(body)
    while True:
        with watched():
            part = next(iterator, None)
        if part is None:
            return
        yield part


def watch_closing(response: HttpResponseBase) -> None:
    """Closing a response rolls back what a stream has read in, and asks a connection that failed whether it works."""
    close = response.close

    def watched_close() -> None:
        del response.close  # it refers to the response, which would stay until the garbage collector comes
        with watched():
            close()

    response.close = watched_close  # type: ignore[method-assign]
