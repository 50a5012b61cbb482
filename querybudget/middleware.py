"""One line in `MIDDLEWARE`: what each request costs, also in production.

    MIDDLEWARE = ["querybudget.middleware.QueryBudgetMiddleware", ...]

Put it first, so that it sees the queries of the others. Each answer carries the header
`Server-Timing: db;dur=1.9;desc="3 queries"` (W3C Server Timing; dur in milliseconds), which browsers
show in their network panel. A request over its budget is logged as a warning. Counting costs at most
2 µs a query; nothing else is kept of one, unless the request brings a token (`tokens`): then all is
kept for staff, and the answer's `X-Query-Report` leads there.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Hashable
from functools import lru_cache, partial
from time import perf_counter
from typing import Any, Protocol, TypeVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import ImproperlyConfigured
from django.dispatch import Signal
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control

from querybudget import hooks
from querybudget.capture import Watch
from querybudget.capturing import announced, kept_apart
from querybudget.configuration import configured
from querybudget.context import listening
from querybudget.errors import UsageError
from querybudget.requests import Measurement, answered, measuring, unfinished
from querybudget.tokens import HEADER
from querybudget.traffic import traffic

logger = logging.getLogger("querybudget")

request_measured = Signal()
"""Sent when a request is over, a streamed body included, with `measurement` and `endpoint`, the name in the ledger
or None for an ignored one: the place for an access log and for counters. Its watch has `count` and `seconds`."""

MOST_NAMES = 2000
"""Methods and routes whose names are remembered, as a client may make methods up, and kinds of answers `ahead`."""

WANTED = "HTTP_" + HEADER.upper().replace("-", "_")
"""The key of a WSGI environment whose request wants a report."""

_BEGUN = "querybudget.begun"
"""The key of one that `ahead` had a look at."""


class Answer(Protocol):
    """What `QueryBudgetMiddleware.ahead` counts. `like`: equal for answers of one endpoint and variant."""

    @property
    def like(self) -> Hashable: ...
    @property
    def headers(self) -> dict[str, str]: ...
    @property
    def body(self) -> bytes: ...


A = TypeVar("A", bound=Answer)


class QueryBudgetMiddleware:
    """Reads the ledger of the project in `QUERY_BUDGETS_FOLDER`, by default the working directory.

    Raises:
        ImproperlyConfigured: pyproject.toml or the ledger can't be read.
    """

    sync_capable = async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        self.asynchronous = iscoroutinefunction(get_response)
        if self.asynchronous:
            markcoroutinefunction(self)
        try:
            self.options, self.ledger = configured()
        except UsageError as error:
            raise ImproperlyConfigured(str(error)) from None
        hooks.acquire()  # for good: patching anew for each request would cost more than it counts
        self.sees_all = False
        self.names: dict[Any, str | None] = {}  # by method and route

    def __call__(self, request: HttpRequest) -> Any:
        if self.asynchronous or WANTED in request.META:
            return self.reported(request)
        # What `measuring` and `answered` do, in one function: between queries each other one that is run has
        # to come back into the processor's caches first, which takes four times as long as to run it (measured).
        watch, started = request.META.pop(_BEGUN, None) or (Watch(detail=False), perf_counter())
        measurement = Measurement(request, watch=watch, listener=self.measured, started=started)
        if not self.sees_all:
            hooks.check_sight()
            self.sees_all = True
        watch.closed = False
        listened = listening.set((*listening.get(), watch))
        try:
            response = self.get_response(request)
        except BaseException:
            self.over(measurement)
            raise
        finally:
            listening.reset(listened)
        if not hooks.in_place():
            raise hooks.UnseenQueriesError("CursorWrapper._execute was replaced: queries may be missing")
        if response.streaming or not getattr(response, "is_rendered", True):
            hooks.acquire()  # `finish` releases them, when the body has been made
            unfinished.add(measurement)
            return finished(measurement, response)
        response.headers["Server-Timing"] = timing_of(measurement.watch, response.headers.get("Server-Timing"))
        measurement.response = response
        self.over(measurement)
        return response

    def ahead(
        self,
        environ: dict[str, Any],
        serve: Callable[[dict[str, Any]], A | None],
        as_django: Callable[[A, dict[str, Any]], tuple[HttpRequest, HttpResponseBase]],
    ) -> A | None:
        """Measure what a server answers ahead of Django's handler, in the same way.

        Args:
            environ: the request's WSGI environment.
            serve: answers it; None if it does not. What it asked counts for the request that Django then serves.
            as_django: an answer's request, with its `resolver_match`, and response, for those who are told of them.
        """
        watch = Watch(detail=False)
        started, watch.closed = perf_counter(), False
        listened = listening.set((*listening.get(), watch))
        try:
            answer = serve(environ)
        finally:
            listening.reset(listened)
        if answer is None:
            environ[_BEGUN] = watch, started
            return None
        watch.closed = True
        answer.headers["Server-Timing"] = timing_of(watch)
        endpoint = self.names.get(answer.like, "")
        if endpoint != "" and not request_measured.receivers:
            self.note(endpoint, watch.count, len(answer.body))
            return answer
        request, response = as_django(answer, environ)
        measurement = Measurement(request, watch=watch, response=response, seconds=perf_counter() - started)
        self.measured(measurement)
        if len(self.names) >= MOST_NAMES:
            self.names.clear()
        self.names[answer.like] = self.name_of(measurement)
        return answer

    def reported(self, request: HttpRequest) -> Any:
        report = announced(request) if WANTED in request.META else None
        listener = partial(self.captured, report.id) if report else self.measured
        measurement = Measurement(request, watch=Watch(detail=report is not None), listener=listener)
        url = report.url if report else ""
        if self.asynchronous:
            return self.awaited(measurement, url)
        with measuring(measurement):
            response = self.get_response(request)
        return finished(measurement, response, url)

    async def awaited(self, measurement: Measurement, report: str) -> HttpResponseBase:
        with measuring(measurement):
            response = self.get_response(measurement.request)
            if inspect.isawaitable(response):
                response = await response
        return finished(measurement, response, report)

    def over(self, measurement: Measurement) -> None:
        """End the measurement of a request."""
        measurement.watch.closed = True
        measurement.seconds = perf_counter() - measurement.started
        self.measured(measurement)

    def measured(self, measurement: Measurement) -> None:
        """Tell of a request that is over. An endpoint with tolerated shapes is not held: shapes are not kept."""
        endpoint = self.name_of(measurement)
        self.note(endpoint, measurement.watch.count, len(getattr(measurement.response, "content", b"")))
        if request_measured.receivers:
            request_measured.send_robust(type(self), measurement=measurement, endpoint=endpoint)

    def note(self, endpoint: str | None, count: int, size: int) -> None:
        """Hold a request to its budget, and remember what it cost; not an ignored one."""
        if endpoint is None:
            return
        budget = self.ledger.budgets.get(endpoint)
        if budget and not budget.known and count > budget.queries:
            line = f"{self.ledger.path.name}:{self.ledger.line_of(endpoint)}"
            logger.warning("%s: %d queries, budget %d (%s)", endpoint, count, budget.queries, line)
        traffic.note(endpoint, count, size)

    def captured(self, report: str, measurement: Measurement) -> None:
        """Tell of it too, and keep what it did."""
        self.measured(measurement)
        kept_apart(report, self.name_of(measurement) or measurement.endpoint, measurement, self.ledger)

    def name_of(self, measurement: Measurement) -> str | None:
        """The ledger's name of the endpoint; None if it is ignored."""
        request = measurement.request
        route = request.resolver_match and (request.method, request.resolver_match.route)
        if route in self.names:
            endpoint = self.names[route]
        else:
            endpoint = self.options.booked_as(measurement.endpoint)
            if route and len(self.names) < MOST_NAMES:
                self.names[route] = endpoint
        return endpoint and self.options.variant_of(endpoint, request, measurement.response)


def finished(measurement: Measurement, response: HttpResponseBase, report: str = "") -> HttpResponseBase:
    """The response with its headers; the body of a stream is measured while it is sent. `report`: its URL."""
    response.headers["Server-Timing"] = timing_of(measurement.watch, response.headers.get("Server-Timing"))
    if report:
        response.headers[HEADER] = report
        patch_cache_control(response, private=True, no_store=True)  # the link is for who asked
    answered(measurement, response)
    return response


def timing_of(watch: Watch, before: str | None = None) -> str:
    """The value of `Server-Timing`, behind what was there already."""
    timing = _timing(watch.count, round(watch.seconds * 10_000))
    return f"{before}, {timing}" if before else timing


@lru_cache(maxsize=1000)
def _timing(count: int, tenths: int) -> str:
    """`tenths`: of a millisecond."""
    return f'db;dur={tenths / 10:.1f};desc="{"1 query" if count == 1 else f"{count} queries"}"'
