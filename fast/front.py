"""What is answered in front of Django: a 304 or a kept page for a known URL.

Such a request needs its token resolved, which is one query, and nothing else of what Django's handler, its middleware
and DRF set up, which takes three times as long (measured: 0.11 ms and 0.36). `fast.early` says what the answer is; here
is what surrounds every request, as the middleware does it: its id, its deadline, its count of queries, the log.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import DEFAULT_DB_ALIAS, connections
from django.http import HttpRequest, HttpResponse

from api.requests import queued_seconds, request_id
from api.watchdog import GRACE_SECONDS, watchdog
from fast.early import BEGUN, Known, Settled, known_for
from fast.guards import listeners, other_middleware
from querybudget.context import listening
from querybudget.counting import Count
from querybudget.middleware import WANTED, QueryBudgetMiddleware, request_measured, server_timing

STATUS = {200: "200 OK", 304: "304 Not Modified"}
Settle = Callable[[Known, dict[str, Any]], Settled | None]


class Front:
    """A WSGI application: `handler`, and `Known.settle` before it. Who is not settled takes along what was asked."""

    def __init__(self, handler: WSGIHandler) -> None:
        self.handler = handler
        self.look()
        counted = "querybudget.middleware.QueryBudgetMiddleware" in settings.MIDDLEWARE
        self.settle: Settle = self.counted() if counted else Known.settle

    def look(self) -> None:
        """Whether every request has to come to Django, for the sake of somebody who wants to see each."""
        self.receivers = len(request_started.receivers), len(request_finished.receivers)
        self.is_passed = bool(other_middleware() or listeners())

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if self.receivers != (len(request_started.receivers), len(request_finished.receivers)):
            self.look()
        found = None if self.is_passed else known_for(environ)
        answer = self.answer(found, environ) if found and WANTED not in environ else None
        if answer is None:
            return self.handler(environ, start_response)
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

    def counted(self) -> Settle:
        """`Known.settle`, measured as `querybudget.middleware` does it."""
        budgets = QueryBudgetMiddleware(self.handler.get_response)

        def settle(known: Known, environ: dict[str, Any]) -> Settled | None:
            watches = listening.get()
            if not watches or type(watches[-1]) is not Reused:
                watches = (*(watch for watch in watches if type(watch) is not Reused), Reused())
                listening.set(watches)
            watch = watches[-1]
            watch.count, watch.seconds, watch.started, watch.closed = 0, 0.0, perf_counter(), False
            answer = Known.settle(known, environ)
            watch.closed = True
            if answer is None:
                environ[BEGUN] = watch
                return None
            answer.headers["Server-Timing"] = server_timing(watch.count, watch.seconds)
            line = answer.kind.line
            if line and watch.count <= line.limit and not request_measured.receivers:
                line.note(watch.count, len(answer.body))
            else:
                answer.kind.line = budgets.over(*self.as_django(answer, environ), watch)
            return answer

        return settle

    def as_django(self, answer: Settled, environ: dict[str, Any]) -> tuple[HttpRequest, HttpResponse]:
        request: Any = self.handler.request_class(environ)
        request.id = answer.headers["X-Request-Id"] = request_id(environ)
        answer.describe(request)
        return request, HttpResponse(answer.body, status=answer.kind.status, headers=answer.headers)


class Reused(Count):
    """Of a thread's requests that are answered here or begin so, one after the other."""

    __slots__ = ()
