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
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import ImproperlyConfigured
from django.db.backends.utils import CursorWrapper
from django.dispatch import Signal
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.utils.cache import patch_cache_control

from querybudget import hooks
from querybudget.capture import Watch
from querybudget.capturing import announced, kept_apart
from querybudget.configuration import configured
from querybudget.context import listening
from querybudget.counting import Count
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
        # What `measuring`, `answered`, `head` and `Lines.of` do, in one function (`counting` says why).
        if not self.sees_all:
            hooks.check_sight()
            self.sees_all = True
        watch = Count()
        listened = listening.set((*listening.get(), watch))
        try:
            response = self.get_response(request)
        except BaseException:
            self.over(request, None, watch)
            raise
        finally:
            watch.closed = True
            listening.reset(listened)
        if CursorWrapper._execute is not hooks.innermost:  # type: ignore[attr-defined]
            raise hooks.UnseenQueriesError("CursorWrapper._execute was replaced: queries may be missing")
        if type(response) is not HttpResponse and (response.streaming or not getattr(response, "is_rendered", True)):
            watch.open()
            measurement = Measurement(request, watch=watch, listener=self.measured, started=watch.started)
            unfinished.add(measurement)
            return finished(measurement, response)
        count, seconds = watch.count, watch.seconds
        headers = response.headers._store  # Django's mapping raises and catches a KeyError for what is not there
        timing = server_timing(count, seconds)
        if "server-timing" in headers:
            timing = f"{headers['server-timing'][1]}, {timing}"
        headers["server-timing"] = "Server-Timing", timing
        lines, match = self.lines, request.resolver_match
        query = lines.by_query and request.META.get("QUERY_STRING")
        told = request.method, match and match.route, query, response.status_code, *map(headers.get, lines.headers)
        line = lines.known.get(told) or lines.find(told, request, response)
        if count <= line.limit and not request_measured.receivers:
            line.note(count, len(getattr(response, "content", b"")))
        else:
            self.over(request, response, watch)
        return response

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

    def over(self, request: HttpRequest, response: HttpResponseBase | None, watch: Count) -> Line:
        """Tell of a request that ends here. Its measurement stays as it is, whatever `watch` goes on to count."""
        counted, started = Count(watch.count, watch.seconds), watch.started
        measurement = Measurement(request, watch=counted, response=response, started=started)
        measurement.seconds = perf_counter() - started
        return self.measured(measurement)

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


def head(response: HttpResponseBase, watch: Count) -> None:
    """Set `Server-Timing`, behind what is there already."""
    own, before = server_timing(watch.count, watch.seconds), response.headers.get("Server-Timing")
    response.headers["Server-Timing"] = f"{before}, {own}" if before else own


def server_timing(count: int, seconds: float) -> str:
    """The value of `Server-Timing`."""
    try:
        return USUAL[count][int(seconds * 10_000)]
    except IndexError:
        return written(count, seconds)


def written(count: int, seconds: float) -> str:
    return f'db;dur={seconds * 1000:.1f};desc="{"1 query" if count == 1 else f"{count} queries"}"'


USUAL = [[written(count, tenths / 10_000) for tenths in range(100)] for count in range(10)]
"""Its values for few queries and tenths of a millisecond: to write one takes longer than all else that is done here."""
