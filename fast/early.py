"""Requests whose URL is known: what was found out for it once is not found out again.

Part of what a request goes through depends on who asks, the rest on nothing but its URL and `Accept`: which view it
leads to, what the view answers with, which headers middleware adds, and that no session, form or redirect is involved.
That is remembered from the first answer, where every user is let in. Who asks for the same again is resolved as ever,
by the view's own authentication and revisions. A 304 or a kept page follows from these alone (`Known.settle`);
everything else is answered by the view's own method, without DRF's set-up and the middleware that it has no need of.

What goes wrong goes on to the ordinary way, which has an answer to it. Nothing is asked twice: the identity, what the
cache said and what went wrong stay with the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from django.core.exceptions import MiddlewareNotUsed, PermissionDenied
from django.db import DatabaseError, connection
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from api.compression import GZipMiddleware, packed
from api.pagecache import Lookup, Target, look, lookup_for, settled, target_of
from api.requests import inner
from api.seam import accelerates
from fast.guards import objections, other_middleware
from fast.memo import Memo
from querybudget.context import listening
from querybudget.lines import Line

DENSE = ("application/json", "application/x-ndjson", "text/csv")  # with `; indent=2` DRF renders
LOOKUP = "fast.lookup"
"""The key of a WSGI environment under which a lookup that settled nothing is left for the ordinary way."""
BEGUN = "fast.begun"
"""The key of one that the front had a look at: what that took of queries and time."""
ANSWERED = APIException, DatabaseError, Http404, PermissionDenied
"""What goes wrong with the answer, and not with how it was asked for."""
OF_ONE_ANSWER = {
    *("cache-status", "content-disposition", "content-encoding", "content-length", "content-type"),
    *("etag", "link", "ratelimit", "ratelimit-policy"),
}
OF_ALL = {
    *("allow", "cache-control", "vary", "content-security-policy", "cross-origin-opener-policy"),
    *("referrer-policy", "strict-transport-security", "x-content-type-options", "x-frame-options"),
}
KNOWN_BYTES = 5000  # of a `Known`, roughly
OF_304 = {"cache-control", "vary", "strict-transport-security"}  # RFC 9110, 15.4.5: no more of what the client has


@dataclass(slots=True, eq=False)
class Kind:
    """The answers of one URL and status. `line`: where `querybudget` books them, once there was one."""

    status: int
    line: Line | None = None


class Settled(NamedTuple):
    """An answer for which nothing had to be computed."""

    known: Known
    kind: Kind
    headers: dict[str, str]
    body: bytes

    def describe(self, request: Any) -> None:
        """Tell a request what it turned out to be, for those who write of it."""
        request.resolver_match = self.known.match
        request.user, request.auth = self.known.authentication.authenticate(request)


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A GET of a `ShapedViewSet`: what its URL leads to, and the headers that all its answers have."""

    match: ResolverMatch
    authentication: Any
    renderer: BaseRenderer
    media_type: str
    target: Target
    keeps_pages: bool
    headers: Mapping[str, str]
    headers_304: Mapping[str, str]
    page: Kind = field(init=False, default_factory=lambda: Kind(200))
    not_modified: Kind = field(init=False, default_factory=lambda: Kind(304))

    @classmethod
    def of(cls, view: Any, request: Any) -> Known | None:
        """What DRF has found out for its request; None where another one might have to be answered differently."""
        authenticators, media_type = view.get_authenticators(), request.accepted_media_type
        told = media_type in DENSE and len(authenticators) == 1 and type(authenticators[0]) in identified_by
        if not told or objections(request.resolver_match.func):
            return None
        target = target_of(request)
        keeps, renderer = target.are_kept(view), request.accepted_renderer
        return cls(request.resolver_match, authenticators[0], renderer, media_type, target, keeps, {}, {})

    def answered(self, response: HttpResponseBase) -> Known | None:
        """With the headers of an answer; None if it does not say what all answers will be like."""
        headers = {name: value for name, value in response.headers.items() if name.lower() not in OF_ONE_ANSWER}
        alike = {name.lower() for name in headers} <= OF_ALL and not response.cookies
        if not alike or response.status_code != 200 or "ETag" not in response.headers:
            return None
        few = {name: value for name, value in headers.items() if name.lower() in OF_304}
        return replace(self, headers=headers, headers_304=few)

    def settle(self, environ: dict[str, Any]) -> Settled | None:
        """The 304 or the kept page that answers a request, once its token is resolved; None if neither does."""
        func: Any = self.match.func
        try:
            auth = identified_by[type(self.authentication)](environ)
            freshness = None if auth is None else func.cls.freshness_for(auth)
        except Exception:  # which stays in the environment, and is answered on the ordinary way
            return None
        if freshness is None:
            return None
        lookup = environ[LOOKUP] = look(freshness, self.target, self.keeps_pages, environ)
        answer = settled(lookup)
        if answer is None:
            return None
        if answer.status == 304:
            return Settled(self, self.not_modified, {**self.headers_304, **answer.headers}, b"")
        headers = {**self.headers, **answer.headers, "Content-Length": str(len(answer.body))}
        body = packed(headers, answer.body, environ)
        return Settled(self, self.page, headers, body)

    def answer(self, request: Any) -> HttpResponseBase | None:
        """None where the ordinary way has to answer."""
        func: Any = self.match.func
        view = func.cls(**func.initkwargs)
        view.request, view.args, view.kwargs = request, self.match.args, dict(self.match.kwargs)
        view.action, view.format_kwarg, view.headers = func.actions["get"], None, {}
        request.resolver_match, request.target, request.query_params = self.match, self.target, request.GET
        request.accepted_renderer, request.accepted_media_type = self.renderer, self.media_type
        try:
            identity = self.authentication.authenticate(request)
            if identity is None:
                return None
            request.user, request.auth = identity
            request.auth = view.auth_of(request)
            response = getattr(view, view.action)(request, **view.kwargs)
            response = view.finalize_response(request, response)
            if isinstance(response, Response):
                response.render()
        except ANSWERED as error:
            request.failure = error
            return None
        except Exception:  # of a view that wants more of a request than is here
            return None
        if not response.streaming:
            response.headers["Content-Length"] = str(len(response.content))
        for name, value in self.headers.items():
            response.headers.setdefault(name, value)
        return response  # type: ignore[no-any-return]


identified_by: dict[type[BaseAuthentication], Callable[[dict[str, Any]], Any]] = {}
"""How a class of authentication finds `request.auth` by a WSGI environment alone: None for the anonymous.

It raises what `authenticate` raises, and whoever of the two comes second does not ask the database again. A class that
is derived is not known by its base.
"""


known: Memo[Known] = Memo()


def known_for(environ: Mapping[str, Any]) -> Known | None:
    """What is known of the URL that a WSGI environment asks for."""
    return known.get(None, url_of(environ)) if environ["REQUEST_METHOD"] in ("GET", "HEAD") else None


URL = (
    *("wsgi.url_scheme", "HTTP_HOST", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "HTTP_ACCEPT"),
    *("HTTP_X_FORWARDED_HOST", "HTTP_X_FORWARDED_PORT", "HTTP_X_FORWARDED_PROTO"),  # as settings may ask for them
)


def url_of(environ: Mapping[str, Any]) -> str:
    """All of a GET that is the same for whoever sends it, as a key: its URL and `Accept`."""
    return repr(tuple(map(environ.get, URL)))


@accelerates(lookup_for)
def looked_up(view: Any, request: Any) -> Lookup:
    """What the front has found, or has failed with; where it was not asked it may be the next time."""
    asked = inner(request)
    if hasattr(asked, "failure"):
        raise asked.failure
    if LOOKUP in asked.META:
        found: Lookup = asked.META.pop(LOOKUP)
        return found
    if asked is not request:  # `Known.answer` has learnt all there is
        asked.known = Known.of(view, request)
    return NotImplemented  # type: ignore[no-any-return]


class EarlyMiddleware:
    """Stands inside of all middleware that differs from request to request, and outside of what adds the same."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        if other_middleware():
            raise MiddlewareNotUsed
        self.get_response = get_response
        self.compressed = GZipMiddleware(get_response).process_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        begun = request.META.pop(BEGUN, None)
        if begun:  # its queries are this request's
            watch = listening.get()[-1]
            watch.started, watch.count, watch.seconds = begun.started, begun.count, begun.seconds
        if request.method not in ("GET", "HEAD") or connection.in_atomic_block:
            return self.get_response(request)
        found = known_for(request.META)
        if found is None:
            response = self.get_response(request)
            learning = getattr(request, "known", None)
            learnt = learning.answered(response) if learning else None
            if learnt:
                known.keep(None, url_of(request.META), learnt, KNOWN_BYTES)
            return response
        answer = None if LOOKUP in request.META else found.settle(request.META)
        if answer:
            answer.describe(request)
            return HttpResponse(answer.body, status=answer.kind.status, headers=answer.headers)
        computed = found.answer(request)
        return self.compressed(request, computed) if computed else self.get_response(request)
