"""What is answered in front of Django: a 304 or a kept page for a known URL.

Such a request needs its token resolved, which is one query, and nothing else of what Django's handler, its middleware
and DRF set up, which takes three times as long (measured: 0.11 ms and 0.36). `api.early` says what the answer is; here
is what surrounds every request, as the middleware does it: its id, its deadline, its count of queries, the log.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest, HttpResponse

from api.early import Known, Settled, known_for
from api.guards import other_middleware
from api.watchdog import watchdog
from config.deadline import GRACE_SECONDS
from config.middleware import request_id
from config.shedding import queued_seconds
from querybudget.middleware import WANTED, QueryBudgetMiddleware

STATUS = {200: "200 OK", 304: "304 Not Modified"}


class Utf8Request(WSGIRequest):
    """Reads every query and body as UTF-8.

    Django takes the charset of a Content-Type header for the query too, and fails on `charset=zlib`
    before any middleware or error page could answer.
    """

    @property
    def encoding(self) -> str:
        return "utf-8"

    @encoding.setter
    def encoding(self, claimed: str) -> None:
        pass


class Front(WSGIHandler):
    """Django's handler, and `Known.settle` before it. Who can't be settled takes along what was asked for them."""

    request_class = Utf8Request

    def __init__(self) -> None:
        super().__init__()
        self.is_passed = bool(other_middleware())  # which every request has to come to
        counted = "querybudget.middleware.QueryBudgetMiddleware" in settings.MIDDLEWARE
        self.settle: Callable[[Known, dict[str, Any]], Settled | None] = Known.settle
        if counted:
            self.settle = QueryBudgetMiddleware(self.get_response).ahead(Known.settle, self.as_django)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        found = None if self.is_passed else known_for(environ)
        answer = self.answer(found, environ) if found and WANTED not in environ else None
        if answer is None:
            return super().__call__(environ, start_response)
        headers = list(answer.headers.items())
        if "X-Request-Id" not in answer.headers:
            headers.append(("X-Request-Id", request_id(environ)))
        start_response(STATUS[answer.kind.status], headers)
        return (answer.body,)

    def answer(self, found: Known, environ: dict[str, Any]) -> Settled | None:
        queued = queued_seconds(environ)
        if queued > settings.SHED_AFTER:
            return None
        database = connections[DEFAULT_DB_ALIAS]
        database.close_if_unusable_or_obsolete()  # as Django does when a request begins
        watch = watchdog.watch(settings.REQUEST_DEADLINE - queued + GRACE_SECONDS, [database])
        try:
            answer = self.settle(found, environ)
        finally:
            watchdog.leave(watch)
        if answer and database.settings_dict["CONN_MAX_AGE"] == 0:
            database.close()  # and when it ends
        return answer

    def as_django(self, answer: Settled, environ: dict[str, Any]) -> tuple[HttpRequest, HttpResponse]:
        request: Any = self.request_class(environ)
        request.id = answer.headers["X-Request-Id"] = request_id(environ)
        answer.describe(request)
        return request, HttpResponse(answer.body, status=answer.kind.status, headers=answer.headers)
