"""Capture one request in full, because it brought a token, and keep the report of it."""

from __future__ import annotations

import asyncio
import gzip
import logging
from dataclasses import dataclass

from django.conf import settings
from django.db import connections
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import NoReverseMatch, reverse

from querybudget.captures import keep, new_id
from querybudget.documents import Document, detailed, document, endpoint_part, growth_by_cause
from querybudget.findings import find
from querybudget.ledger import Ledger
from querybudget.plans import plan_of
from querybudget.requests import Measurement
from querybudget.tokens import HEADER, BadTokenError, check

logger = logging.getLogger("querybudget")


@dataclass(frozen=True, slots=True)
class Report:
    """A report that there will be, and where staff find it."""

    id: str
    url: str


def announced(request: HttpRequest) -> Report | None:
    """The report that the request's token asks for; None, and a warning, if it is no token of ours."""
    try:
        check(request.headers[HEADER])
        id = new_id()
        return Report(id, reverse("querybudget:report", args=[id]))
    except BadTokenError as error:
        logger.warning("%s is ignored: %s", HEADER, error)
    except NoReverseMatch:
        logger.warning("%s is ignored: no path leads to querybudget.urls", HEADER)
    return None


def kept_apart(id: str, name: str, measurement: Measurement, ledger: Ledger) -> None:
    """Keep the report; in a thread of its own where an event loop runs, which databases and caches would hold up."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        _keep(id, name, measurement, ledger)
    else:
        loop.run_in_executor(None, _keep_and_disconnect, id, name, measurement, ledger)


def _keep_and_disconnect(id: str, name: str, measurement: Measurement, ledger: Ledger) -> None:
    try:
        _keep(id, name, measurement, ledger)
    finally:
        connections.close_all()


def _keep(id: str, name: str, measurement: Measurement, ledger: Ledger) -> None:
    """A report is worth no failing answer."""
    try:
        keep(id, report(name, measurement, ledger))
    except Exception:
        logger.exception("the report of %s could not be kept", name)


def report(name: str, measurement: Measurement, ledger: Ledger) -> Document:
    """The document about one request. Values are in it only with `QUERY_REPORT_PARAMETERS`."""
    values: bool = getattr(settings, "QUERY_REPORT_PARAMETERS", False)
    queries, response, request = measurement.watch.queries, measurement.response, measurement.request
    findings, body = find(queries), _body(response)
    one = endpoint_part(
        name,
        ledger,
        detailed(queries, findings, body, plan=lambda query: plan_of(query, parameters=values), parameters=values),
        request=f"{request.method} {request.get_full_path()}" if values else None,
        queries=measurement.watch.count,
        status=response.status_code if response else 500,
        bytes=len(body) or None,
        growth=growth_by_cause(queries, findings),
    )
    return document("request", [one])


def _body(response: HttpResponseBase | None) -> bytes:
    """As it was before a middleware compressed it; nothing of a stream."""
    body: bytes = getattr(response, "content", b"")
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
