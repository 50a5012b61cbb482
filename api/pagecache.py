"""Answers that need not be computed again, and never a wrong one.

A view says who shares an answer (its audience) and the revisions of all that the answer shows (its
stamp). Both are known after the one query that resolves the token. From them come the entity tag,
which settles `If-None-Match` without touching the cache, and the test whether a kept page is fresh:
its stamp is this request's. There is nothing to invalidate, and nothing to forget to.

That holds for a view that promises it (`api.views.ShapedViewSet.steady`); any other is computed for each request.

The stamp is read before the rows. A page can so be newer than its stamp, which makes it stale one
request too early, but not older. Inside a transaction nothing is kept or validated: what was read
there may be rolled back, and its revision given to something else. Nor are answers of which nobody knows
what they read, as nothing tells when that changes.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, Protocol, TypeVar
from urllib.parse import urlencode

from django.conf import settings
from django.core.cache import cache
from django.db import connection
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.crypto import salted_hmac
from django.utils.http import parse_etags
from rest_framework.request import Request
from rest_framework.response import Response

from api.allowance import Allowance
from api.requests import inner
from api.sealed import Page, seal, unseal
from api.seam import accelerable
from api.throttling import count

PAGE_SECONDS = 600
TAGS_LONGEST = 8190  # characters of `If-None-Match`
PAGE_MOST = 1_000_000  # bytes of a body that is kept
LOCK_SECONDS = 10  # after which a computation counts as lost
PREFIX = "page"
TALLY = "pages"
TALLY_SECONDS = 1.0

allowance = Allowance(1_000_000, PAGE_SECONDS)
"""Bytes that one user may add to the cache while a page lives, by each process: nobody pushes out all others' pages."""

A = TypeVar("A", bound=Callable[..., Any])
R = TypeVar("R", bound=HttpResponseBase)
Asked = Any
"""DRF's request, or Django's with its `target`."""


class Freshness(NamedTuple):
    """Who shares an answer, and the state of the data that it shows."""

    audience: str
    stamp: str


class Settled(NamedTuple):
    """An answer for which nothing needs to be computed."""

    status: int
    headers: dict[str, str]
    body: bytes = b""

    @classmethod
    def by(cls, page: Page, tag: str, status: str) -> Settled:
        headers = labels(tag, status) | {"Content-Type": page.content_type}
        return cls(200, headers | {"Link": page.link} if page.link else headers, page.body)

    def response(self) -> HttpResponse:
        return HttpResponse(self.body, status=self.status, headers=self.headers)


class CachedView(Protocol):
    """What this module asks of a view."""

    keeps_pages: bool

    def is_steady(self) -> bool: ...
    def freshness(self, request: Asked) -> Freshness: ...
    def count(self, request: Request) -> None: ...
    def get_renderer_context(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """What is asked for, whoever asks."""

    route: str
    format: str
    digest: hmac.HMAC  # of everything that makes a body what it is, but its audience and its data

    def key(self, audience: str) -> str:
        digest = self.digest.copy()
        digest.update(audience.encode())
        return f"{PREFIX}:{self.route}:{digest.hexdigest()}"

    def are_kept(self, view: CachedView) -> bool:
        return view.keeps_pages and self.format == "json"


class Lookup(NamedTuple):
    """What is known of an answer once its request's user is."""

    target: Target
    key: str
    stamp: str
    tag: str
    given: tuple[str, ...]  # entity tags that the client has
    asked_anew: bool
    may_keep: bool
    page: Page | None  # as it was kept; None also where pages are not kept


def look(freshness: Freshness, target: Target, are_kept: bool, environ: Mapping[str, Any]) -> Lookup:
    """Ask the cache, unless the client's own copy settles it.

    `If-None-Match` compares weakly (RFC 9110, 13.1.2), as compressing a transfer weakens its tag. Its
    `*` holds for whatever there is, so it is looked at when there is something.
    """
    key, tag = names(target, freshness)
    given = tags(environ.get("HTTP_IF_NONE_MATCH", ""), tag)
    directives = environ.get("HTTP_CACHE_CONTROL", "").lower()  # RFC 9111, 5.2.1
    asked_anew, may_keep = "no-cache" in directives, "no-store" not in directives
    page = kept(key, freshness.stamp) if are_kept and not asked_anew and tag not in given else None
    return Lookup(target, key, freshness.stamp, tag, given, asked_anew, may_keep, page)


def tags(header: str, expected: str) -> tuple[str, ...]:
    """Those of a header, made strong. Nearly always there is none, or the one that is `expected`.

    More than a server takes as a header are not looked at: the client gets an answer in full.
    """
    if not header or len(header) > TAGS_LONGEST:
        return ()
    return (header,) if header == expected else tuple(known.removeprefix("W/") for known in parse_etags(header))


@lru_cache(maxsize=512)
def names(target: Target, freshness: Freshness) -> tuple[str, str]:
    """The key of a page, and its entity tag."""
    key = target.key(freshness.audience)
    return key, entity_tag(key, freshness.stamp)


def settled(lookup: Lookup) -> Settled | None:
    """The 304 or the fresh page that `lookup` found."""
    if lookup.tag in lookup.given:
        return Settled(304, labels(lookup.tag, "hit"))
    page = lookup.page
    if page is None or page.stamp != lookup.stamp:
        return None
    tally(lookup.target, "hit")
    status = f"hit; ttl={int(page.kept_at + PAGE_SECONDS - time.time())}"
    return Settled(304, labels(lookup.tag, status)) if "*" in lookup.given else Settled.by(page, lookup.tag, status)


def unless_any(lookup: Lookup, response: R) -> R | HttpResponse:
    """`response`, or a 304 with its tag to a client that has any."""
    if "*" not in lookup.given:
        return response
    return HttpResponse(status=304, headers={name: response.headers[name] for name in ("ETag", "Cache-Status")})


def validated(action: A) -> A:
    """Mark a view's method that does nothing but `answer`, which a 304 or a kept page may so be instead of."""
    action.validated = action  # type: ignore[attr-defined]  # a decorator round it would copy a mere flag
    return action


def answer(view: CachedView, request: Request, compute: Callable[[Request], HttpResponseBase]) -> HttpResponseBase:
    """A 304, a kept page or what `compute` answers, with `ETag` and `Cache-Status` (RFC 9211)."""
    if connection.in_atomic_block or not view.is_steady():
        view.count(request)
        return compute(request)
    lookup = lookup_for(view, request)
    found = settled(lookup)
    return found.response() if found else unless_any(lookup, computed(view, request, compute, lookup))


@accelerable
def lookup_for(view: CachedView, request: Request) -> Lookup:
    """What is known of the answer to a request of a steady view."""
    target = target_of(request)
    return look(view.freshness(request), target, target.are_kept(view), request.META)


def computed(
    view: CachedView, request: Request, compute: Callable[[Request], HttpResponseBase], lookup: Lookup
) -> HttpResponseBase:
    """While one request computes a page anew, others get the stale one, labelled as such; nobody waits."""
    key, page = lookup.key, lookup.page
    if not lookup.target.are_kept(view):
        view.count(request)
        return labelled(compute(request), lookup.tag, "fwd=bypass")
    lock = f"{key}:{hashlib.sha256(lookup.stamp.encode()).hexdigest()[:16]}"
    if page and cache.add(lock, 1, LOCK_SECONDS) is False:  # None says that the cache is away
        tally(lookup.target, "stale")
        return Settled.by(page, entity_tag(key, page.stamp), "hit; ttl=-1; detail=stale").response()
    try:
        view.count(request)
        response = rendered(compute(request), view, request)
        # One that takes an older one's place takes no more room.
        stored = lookup.may_keep and keep(key, lookup.stamp, response, None if page else request.user.pk)
    finally:
        if page:
            cache.delete(lock)
    reason = "request" if lookup.asked_anew else "stale" if page else "miss"
    tally(lookup.target, reason, flush=True)
    return labelled(response, lookup.tag, f"fwd={reason}; stored" if stored else f"fwd={reason}")


def target_of(request: Asked) -> Target:
    """The target of a request, which it bears from then on."""
    plain = inner(request)
    if not hasattr(plain, "target"):
        query = sorted((name, value) for name, values in request.GET.lists() for value in values)
        origin = f"{request.scheme}://{request.get_host()}{request.path}"  # `next` and `previous` are absolute
        media_type = str(request.accepted_media_type)  # its parameters too: `application/json; indent=2` differs
        parts = [settings.RELEASE, origin, urlencode(query), media_type, ""]
        digest = salted_hmac("api.pagecache", chr(0).join(parts), algorithm="sha256")  # by the key that signs cursors
        plain.target = Target(route(request), request.accepted_renderer.format, digest)
    target: Target = plain.target
    return target


def route(request: Asked) -> str:
    return re.sub(r"<\w+:(\w+)>", r"{\1}", request.resolver_match.route)


def entity_tag(key: str, stamp: str) -> str:
    return f'"{hashlib.sha256(f"{key} {stamp}".encode()).hexdigest()[:32]}"'


def rendered(response: Any, view: CachedView, request: Request) -> HttpResponse:
    """DRF renders after the view; what is to be kept has to be rendered now."""
    if not isinstance(response, Response):
        return response  # type: ignore[no-any-return]
    response.accepted_renderer = request.accepted_renderer
    response.accepted_media_type = request.accepted_media_type
    response.renderer_context = view.get_renderer_context()  # type: ignore[attr-defined]
    now: HttpResponse = response.render()
    return now


def keep(key: str, stamp: str, response: HttpResponse, charged: object = None) -> bool:
    """Whether the cache confirms that it has the page; local memory never says so. `charged`: the user who adds it."""
    if response.status_code == 200 and len(response.content) <= PAGE_MOST:
        headers = response.headers
        page = Page(stamp, headers["Content-Type"], headers.get("Link", ""), response.content, time.time())
        sealed = seal(key, page)
        if charged is None or allowance.spend(charged, len(sealed)):
            return bool(cache.set(key, sealed, PAGE_SECONDS))  # type: ignore[func-returns-value]  # django-redis says
    cache.delete(key)  # or an older page would go on being served while others compute
    return False


@accelerable
def kept(key: str, stamp: str) -> Page | None:
    """The page under `key`, fresh (of this stamp) or stale."""
    return shared(key)


def shared(key: str) -> Page | None:
    """The page in the cache; None for what this service has not kept there."""
    return unseal(key, cache.get(key))


def labelled(response: R, tag: str, status: str) -> R:
    for name, value in labels(tag, status).items():
        response.headers[name] = value
    return response


def labels(tag: str, status: str) -> dict[str, str]:
    return {"ETag": tag, "Cache-Status": f"orders; {status}"}


# --- Figures for `manage.py cache_stats`

_counted: Counter[str] = Counter()  # of this process, since it last wrote them down
_written = float("-inf")


def tally(target: Target, outcome: str, *, flush: bool = False) -> None:
    """Count an outcome. Written down when something was computed, so that a hit stays one operation, and seldom."""
    global _written
    _counted[f"{TALLY}:{target.route}:{outcome}"] += 1
    if not flush or time.monotonic() < _written + TALLY_SECONDS:
        return
    _written = time.monotonic()
    for name in list(_counted):
        count(name, None, _counted.pop(name, 0))
