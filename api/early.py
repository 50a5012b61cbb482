"""Requests whose URL is known: what was found out for it once is not found out again.

Part of what a request goes through depends on who asks, the rest on nothing but its URL and `Accept`: which view it
leads to, what the view answers with, and that no session, form or redirect is involved. The rest is remembered from
the first answer. Who asks for the same again is resolved as ever, by the view's own authentication, permissions and
revisions, and answered by the view's own method, a 304 and a kept page before all else; between them stand neither
DRF's set-up nor the middleware that such requests have no need of.

What goes wrong goes on to the ordinary way, which has an answer to it. Nothing is asked twice: the identity and what
went wrong stay with the request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch
from rest_framework.renderers import BaseRenderer
from rest_framework.response import Response

from api.memo import Memo
from api.pagecache import Target, target_of
from api.requests import url_of


@dataclass(frozen=True, slots=True)
class Known:
    """A GET of a `ShapedViewSet`: what its URL leads to."""

    match: ResolverMatch
    renderer: BaseRenderer
    media_type: str
    target: Target
    headers: Mapping[str, str]

    @classmethod
    def of(cls, request: Any, headers: Mapping[str, str]) -> Known:
        """What DRF has found out for its request, and the headers of the view."""
        renderer, media_type = request.accepted_renderer, request.accepted_media_type
        return cls(request.resolver_match, renderer, media_type, target_of(request), headers)

    def answer(self, request: Any) -> HttpResponseBase | None:
        """None where the ordinary way has to answer."""
        func: Any = self.match.func
        view = func.cls(**func.initkwargs)
        view.request, view.args, view.kwargs = request, self.match.args, dict(self.match.kwargs)
        view.action, view.format_kwarg, view.headers = func.actions["get"], None, dict(self.headers)
        request.resolver_match, request.target, request.query_params = self.match, self.target, request.GET
        request.accepted_renderer, request.accepted_media_type = self.renderer, self.media_type
        try:
            if not view.admits(request):
                return None
            response = getattr(view, view.action)(request, **view.kwargs)
            response = view.finalize_response(request, response)
            if isinstance(response, Response):
                response.render()
        except Exception as error:
            request.failure = error
            return None
        if not response.streaming:
            response.headers["Content-Length"] = str(len(response.content))
        return response  # type: ignore[no-any-return]


known: Memo[Known] = Memo()


class EarlyMiddleware:
    """Stands inside of all middleware that belongs to every answer, and outside of what only some requests need."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.method not in ("GET", "HEAD") or connection.in_atomic_block:
            return self.get_response(request)
        url = url_of(request)
        found = known.get(None, url)
        response = (found and found.answer(request)) or self.get_response(request)
        if found is None and response.status_code == 200 and hasattr(request, "known"):
            known.keep(None, url, request.known)
        return response
