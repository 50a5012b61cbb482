"""Make a request again, with and without changes, in a transaction that is rolled back."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished
from django.db import close_old_connections
from django.http import HttpRequest

from querybudget.advice import Change
from querybudget.capture import watch
from querybudget.findings import Finding, find
from querybudget.growth import rolled_back
from querybudget.isolation import caches_untouched
from querybudget.loading import applied
from querybudget.query import Query
from querybudget.reads import Audit
from querybudget.requests import ASKED, unmeasured
from querybudget.tracing import Patches


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and what it took. `queries`: without control statements. `audited`: the rows."""

    status: int
    body: bytes
    queries: list[Query]
    findings: list[Finding]
    audited: Audit | None = None

    @property
    def count(self) -> int:
        return len(self.queries)

    @property
    def is_error(self) -> bool:
        """Whether the view refused or failed, so that its queries are not those of an answer."""
        return self.status >= 400

    def is_same(self, other: Answer) -> bool:
        """Whether nobody who asked could tell the two apart."""
        return (self.status, self.body) == (other.status, other.body)


def replay(
    request: HttpRequest, changes: Sequence[Change] = (), without: Sequence[str] = (), *, audit: bool = False
) -> Answer:
    """The answer to a copy of `request` with `changes` applied and the fields of `without` left out.

    `without`: dotted paths of serializer fields from the root one, "placed_by.offices". What is written
    is rolled back on every database, and kept out of Django's caches. `audit`: also follow what is read of the rows.
    """
    copy = _copied(request)
    handler = BaseHandler()
    handler.load_middleware()
    with (
        unmeasured(),
        rolled_back(),
        caches_untouched(),
        leaving_out(without),
        applied(changes),
        watch(audit=audit) as seen,
    ):
        response: Any = handler.get_response(copy)
        body = b"".join(response) if response.streaming else response.content
        with connections_left_open():
            response.close()
    return Answer(response.status_code, body, seen.counted, find(seen.queries), seen.audited)


@contextlib.contextmanager
def connections_left_open() -> Iterator[None]:
    """Django ends a connection that is in a transaction when a request is over. As its test client does: not now."""
    request_finished.disconnect(close_old_connections)
    try:
        yield
    finally:
        request_finished.connect(close_old_connections)


def _copied(request: HttpRequest) -> WSGIRequest:
    environ = {
        **getattr(request, ASKED, request.META),
        "REQUEST_METHOD": request.method,
        "wsgi.input": io.BytesIO(getattr(request, "_body", b"")),
    }
    copy = WSGIRequest(environ)
    copy._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    for name in ("_force_auth_user", "_force_auth_token", "_cached_user"):
        if hasattr(request, name):
            setattr(copy, name, getattr(request, name))
    return copy


@contextlib.contextmanager
def leaving_out(paths: Sequence[str]) -> Iterator[None]:
    """Let DRF's serializers render without the fields at `paths`."""
    if not paths:
        yield
        return
    from rest_framework.serializers import Serializer

    def without(original: Any) -> Any:
        def fields(self: Any) -> Iterator[Any]:
            return (field for field in original.fget(self) if _path(field) not in paths)

        return property(fields)

    with Patches((Serializer, "_readable_fields", without)):
        yield


def _path(field: Any) -> str:
    names: list[str] = []
    while field is not None:
        names.append(field.field_name or "")
        field = field.parent
    return ".".join(name for name in reversed(names) if name)
