"""Lists and details that PostgreSQL writes: the faster way of `ShapedViewSet`.

What a view finds out of a URL, and the conditions on its rows, are found out once for all who see alike, where the view
promises that nothing else decides of them (`steady`).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any
from weakref import ref

from django.db import DEFAULT_DB_ALIAS, connection
from django.db.models import QuerySet
from django.http import HttpResponse
from django.utils import timezone
from rest_framework import status

from api import keyset
from api.filters import MOST_ID
from api.pagination import Asked, linked
from api.seam import accelerates
from api.selection import Selection, from_request
from api.views import ShapedViewSet
from fast.compiled import Apart, Compiled, compiled_for
from fast.early import DENSE, url_of
from fast.gaps import LeakError
from fast.guards import own_of_details, own_of_lists, writes_plainly
from fast.memo import Memo
from fast.spelling import spelt
from fast.statements import Narrowing, conditions_of, is_plain
from querybudget import note


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that PostgreSQL writes: what a URL asks of the rows that an audience may see."""

    compiled: ref[Compiled]  # which is kept elsewhere, as long as there is room
    narrowing: Narrowing
    asked: Asked
    apart: Apart | None


narrowings: Memo[Narrowing] = Memo()
listings: Memo[Listing] = Memo()
looked_for_apart: dict[type[ShapedViewSet], Callable[[Any, Any], Apart | None]] = {}
"""How the rows of a view's lists are looked for, where not all at once."""


@accelerates(ShapedViewSet.listed)
def listed(view: ShapedViewSet, request: Any) -> HttpResponse:
    if timezone.get_current_timezone_name() != "UTC":
        return NotImplemented  # type: ignore[no-any-return]
    same = f"{view.freshness(request).audience} {url_of(request.META)}" if view.is_steady() else ""
    listing = listings.get(type(view), same) if same else None
    compiled = listing.compiled() if listing else None
    if listing is None or compiled is None:
        asked = view.asked(request)
        own = own_of_lists(type(view), view.get_serializer_class())
        compiled = None if own else compiled_of(view, request, asked.selection)
        narrowing = narrowing_of(view, request, compiled) if compiled else None
        if compiled is None or narrowing is None:
            return NotImplemented  # type: ignore[no-any-return]
        apart = looked_for_apart.get(type(view), lambda view, request: None)(view, request)
        listing = Listing(ref(compiled), narrowing, asked, apart)
        if same:
            listings.keep(type(view), same, listing, 2000 + narrowing.size)
    return written_page(view, listing, compiled)


def written_page(view: ShapedViewSet, listing: Listing, compiled: Compiled) -> HttpResponse:
    pagination: Any = view.paginator
    asked, context = listing.asked, view.get_serializer_context()
    if compiled.leaks:
        return NotImplemented  # type: ignore[no-any-return]
    place = asked.order, asked.cursor, asked.limit, listing.apart
    page = compiled.page(view.database(), listing.narrowing, compiled.given(context), *place)
    try:
        objects = compiled.filler(context)(page.rows)
    except LeakError:
        return NotImplemented  # type: ignore[no-any-return]
    pagination.asked, pagination.page = asked, page
    return in_pages(objects, pagination.urls())


def in_pages(objects: Iterable[bytes], urls: dict[str, str | None]) -> HttpResponse:
    """What `KeysetPagination.get_paginated_response` answers, of objects that are JSON already."""
    following, previous = (spelt(url).encode() for url in urls.values())
    body = b'{"next":%b,"previous":%b,"results":[%b]}' % (following, previous, b",".join(objects))
    return linked(HttpResponse(body, content_type="application/json"), urls)


@accelerates(ShapedViewSet.one)
def one(view: ShapedViewSet, request: Any, key: int, status_code: int = status.HTTP_200_OK, **headers: str) -> Any:
    own = own_of_details(type(view)) or view.guards_objects() or not isinstance(key, int)
    compiled = None if own else compiled_of(view, request, from_request(request))
    narrowing = narrowing_of_one(view, request, compiled) if compiled else None
    if compiled is None or narrowing is None:
        return NotImplemented
    context = view.get_serializer_context()
    row = compiled.one(narrowing, compiled.given(context), key) if key <= MOST_ID else None
    if row is None:
        raise view.not_found()
    try:
        (body,) = compiled.filler(context)([row])
    except LeakError:
        return NotImplemented
    return HttpResponse(body, "application/json", status_code, headers=headers)


def compiled_of(view: ShapedViewSet, request: Any, selection: Selection) -> Compiled | None:
    """How PostgreSQL writes what the view shows; None where the serializer renders it."""
    dense = request.accepted_media_type in DENSE and writes_plainly(request.accepted_renderer)
    if connection.vendor != "postgresql" or not dense or timezone.get_current_timezone_name() != "UTC":
        return None
    found = compiled_for(view.get_serializer_class(), selection)
    if isinstance(found, str):
        note(f"PostgreSQL does not write this answer, which takes more queries: {found}")
        return None
    return None if found.leaks else found


def narrowing_of(view: ShapedViewSet, request: Any, compiled: Compiled) -> Narrowing | None:
    """The conditions on the rows that this user may see and this query asks for; None where it asks for more."""
    if not view.is_steady():
        return narrowed(view.filter_queryset(view.get_queryset()), compiled)
    of, subject = (type(view), *asking(view)), keyset.subject(request, view.freshness(request).audience)
    found = narrowings.get(of, subject)
    if found is None:
        found = narrowed(view.filter_queryset(view.get_queryset()), compiled)
        if found:
            narrowings.keep(of, subject, found, found.size)
    return found


def narrowing_of_one(view: ShapedViewSet, request: Any, compiled: Compiled) -> Narrowing | None:
    """The same of a detail, for all keys: where the key in the URL decides of more than the row, of that alone."""
    if not view.is_steady():
        return narrowed_one(view, compiled)
    of, given = (type(view), *asking(view)), view.kwargs
    subject = f"{view.freshness(request).audience} {sorted((n, v) for n, v in given.items() if n != 'id')}"
    found = narrowings.get(of, subject)
    if found is None:
        found = narrowed_one(view, compiled)
        view.kwargs = given | {"id": OTHER}
        try:
            elsewhere = narrowed_one(view, compiled)
        finally:
            view.kwargs = given
        if found and elsewhere and (found.sql, found.parameters) == (elsewhere.sql, elsewhere.parameters):
            narrowings.keep(of, subject, found, found.size)
    return found


OTHER = MOST_ID - 1  # no row's key


def narrowed_one(view: ShapedViewSet, compiled: Compiled) -> Narrowing | None:
    rows = view.get_queryset()
    return narrowed(rows, compiled) if rows.db == DEFAULT_DB_ALIAS else None


def narrowed(rows: QuerySet[Any], compiled: Compiled) -> Narrowing | None:
    return conditions_of(rows) if is_plain(rows, compiled.model) else None


def asking(view: Any) -> tuple[Hashable, ...]:
    """Besides its arguments, what a view may be told by its URL."""
    match = view.request.resolver_match
    return getattr(view, "action", ""), repr(getattr(match and match.func, "initkwargs", "")), match and match.route
