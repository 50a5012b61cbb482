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
from querybudget.lines import Line, Lines
from querybudget.requests import Measurement, answered, measuring, unfinished
from querybudget.tokens import HEADER

logger = logging.getLogger("querybudget")

request_measured = Signal()
"""Sent when a request is over, a streamed body included, with `measurement` and `endpoint`, the name in the ledger
or None for an ignored one: the place for an access log and for counters. Its watch has `count` and `seconds`."""

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


class Reused(Watch):
    """Of a thread's requests, one after the other: open while one is `ahead`. A new one for each would take 2 µs."""

    __slots__ = ()


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
            options, self.ledger = configured()
        except UsageError as error:
            raise ImproperlyConfigured(str(error)) from None
        hooks.acquire()  # for good: patching anew for each request would cost more than it counts
        self.sees_all = False
        self.lines = Lines(options, self.ledger)

    def __call__(self, request: HttpRequest) -> Any:
        if self.asynchronous or WANTED in request.META:
            return self.reported(request)
        # What `measuring` and `answered` do, in one function: between queries each other one that is run has
        # to come back into the processor's caches first, which takes four times as long as to run it (measured).
        if not self.sees_all:
            hooks.check_sight()
            self.sees_all = True
        count, seconds, started = request.META.pop(_BEGUN, None) or (0, 0.0, perf_counter())
        watch = Watch(detail=False, count=count, seconds=seconds, closed=False)
        listened = listening.set((*listening.get(), watch))
        try:
            response = self.get_response(request)
        except BaseException:
            self.over(Measurement(request, watch=watch, started=started))
            raise
        finally:
            listening.reset(listened)
        if not hooks.in_place():
            raise hooks.UnseenQueriesError("CursorWrapper._execute was replaced: queries may be missing")
        if response.streaming or not getattr(response, "is_rendered", True):
            hooks.acquire()  # `finish` releases them, when the body has been made
            measurement = Measurement(request, watch=watch, listener=self.measured, started=started)
            unfinished.add(measurement)
            return finished(measurement, response)
        head(response, watch)
        line = self.lines.of(request, response)
        if watch.count <= line.limit and not request_measured.receivers:
            line.note(watch.count, size_of(response))
        else:
            self.over(Measurement(request, watch=watch, response=response, started=started))
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
            serve: answers it, in this thread; None if it does not: what it asked counts for Django's request then.
            as_django: an answer's request, with its `resolver_match`, and response, for those who are told of them.
        """
        watches = listening.get()
        if not watches or type(watches[-1]) is not Reused:
            watches = (*watches, Reused(detail=False))
            listening.set(watches)
        watch, started = watches[-1], perf_counter()
        watch.count, watch.seconds, watch.closed = 0, 0.0, False
        try:
            answer = serve(environ)
        finally:
            watch.closed = True
        count, seconds = watch.count, watch.seconds
        if answer is None:
            environ[_BEGUN] = count, seconds, started
            return None
        answer.headers["Server-Timing"] = timing(count, round(seconds * 10_000))
        line = self.lines.known.get(answer.like)
        if line and count <= line.limit and not request_measured.receivers:
            line.note(count, len(answer.body))
            return answer
        request, response = as_django(answer, environ)
        watch = Watch(detail=False, count=count, seconds=seconds)
        measurement = Measurement(request, watch=watch, response=response, seconds=perf_counter() - started)
        self.lines.remember(answer.like, self.measured(measurement))
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

    def measured(self, measurement: Measurement) -> Line:
        """Tell of a request that is over. An endpoint with tolerated shapes is not held: shapes are not kept."""
        line = self.lines.of(measurement.request, measurement.response)
        count = measurement.watch.count
        if line.endpoint and count > line.limit:
            where = f"{self.ledger.path.name}:{self.ledger.line_of(line.endpoint)}"
            logger.warning("%s: %d queries, budget %d (%s)", line.endpoint, count, line.limit, where)
        line.note(count, size_of(measurement.response))
        if request_measured.receivers:
            request_measured.send_robust(type(self), measurement=measurement, endpoint=line.endpoint)
        return line

    def captured(self, report: str, measurement: Measurement) -> None:
        """Tell of it too, and keep what it did."""
        line = self.measured(measurement)
        kept_apart(report, line.endpoint or measurement.endpoint, measurement, self.ledger)


def finished(measurement: Measurement, response: HttpResponseBase, report: str = "") -> HttpResponseBase:
    """The response with its headers; the body of a stream is measured while it is sent. `report`: its URL."""
    head(response, measurement.watch)
    if report:
        response.headers[HEADER] = report
        patch_cache_control(response, private=True, no_store=True)  # the link is for who asked
    answered(measurement, response)
    return response


def size_of(response: HttpResponseBase | None) -> int:
    """Bytes of a body; 0 for a stream."""
    return len(getattr(response, "content", b""))


def head(response: HttpResponseBase, watch: Watch) -> None:
    """Set `Server-Timing`, behind what is there already."""
    own = timing(watch.count, round(watch.seconds * 10_000))
    before = response.headers.get("Server-Timing")
    response.headers["Server-Timing"] = f"{before}, {own}" if before else own


@lru_cache(maxsize=1000)
def timing(count: int, tenths: int) -> str:
    """The value of `Server-Timing`. `tenths`: of a millisecond."""
    return f'db;dur={tenths / 10:.1f};desc="{"1 query" if count == 1 else f"{count} queries"}"'
