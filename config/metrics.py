"""`/-/metrics`: counters of every request in Prometheus' text format, behind a token; off without one."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client import REGISTRY as OF_THIS_PROCESS
from prometheus_client.multiprocess import MultiProcessCollector

from querybudget.requests import Measurement

SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30)
QUERIES = (0, 1, 2, 3, 5, 10, 20, 50, 100, 500)
LABELS = ("method", "route")
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})  # a client may write anything

requests = Counter("orders_requests", "Requests that are over.", [*LABELS, "status"])
seconds = Histogram("orders_request_seconds", "From the first middleware to the last byte.", LABELS, buckets=SECONDS)
queries = Histogram("orders_request_queries", "Statements sent to the database.", LABELS, buckets=QUERIES)


def count_request(*, measurement: Measurement, **_: Any) -> None:
    method, _sep, route = measurement.endpoint.partition(" ")
    method = method if method in METHODS else "other"
    status = measurement.response.status_code if measurement.response else 500
    requests.labels(method, route, status).inc()
    seconds.labels(method, route).observe(measurement.seconds)
    queries.labels(method, route).observe(measurement.watch.count)


@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """All processes' counters where they share a folder. 404 without `METRICS_TOKEN`, and without the right one."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not settings.METRICS_TOKEN or not constant_time_compare(given, settings.METRICS_TOKEN):
        raise Http404
    registry = OF_THIS_PROCESS
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
