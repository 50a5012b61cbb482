"""The access log: one line when a request is over, with what it was, what it cost and whose it was.

It names the route and not the path: a query string or a body may hold what no log should, and a token
never gets here.
"""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from api.bulkhead import FULL
from api.requests import queued_seconds
from config.parking import PATIENT
from querybudget.requests import Measurement

logger = logging.getLogger("access")


def log_request(*, measurement: Measurement, **_: Any) -> None:
    """Times are milliseconds; `queue` is the time between the router and here, `queries` their number."""
    request, response = measurement.request, measurement.response
    if FULL in request.META and request.META.get(PATIENT):
        return  # it is run again
    fields = {
        "id": getattr(request, "id", None),
        "method": request.method,
        "route": measurement.endpoint.partition(" ")[2],
        "status": response.status_code if response else 500,
        "milliseconds": round(measurement.seconds * 1000, 1),
        "queries": measurement.watch.count,
        "database_milliseconds": round(measurement.watch.seconds * 1000, 1),
        "user": user_id(request),
        "cache": response.headers.get("Cache-Status") if response else None,
    }
    if settings.BEHIND_ROUTER:
        fields["queue_milliseconds"] = round(max(queued_seconds(request.META) - measurement.seconds, 0) * 1000)
    logger.info("request", extra={name: value for name, value in fields.items() if value is not None})


def user_id(request: HttpRequest) -> int | None:
    """Who the request turned out to come from, without asking the database for the admin's session now."""
    user = request.__dict__.get("user")
    if isinstance(user, SimpleLazyObject):
        user = getattr(request, "_cached_user", None)
    return getattr(user, "pk", None)
