"""What is patched, beside the cursor, while a watch with detail is open: classes, never instances."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.core.paginator import Page
from django.db.models import query
from django.db.models.fields.related_descriptors import ReverseManyToOneDescriptor
from django.db.models.query import (
    ModelIterable,
    NamedValuesListIterable,
    QuerySet,
    RawModelIterable,
    RawQuerySet,
    ValuesIterable,
    ValuesListIterable,
)

from querybudget.causes import Cause, latest
from querybudget.context import everywhere, listening
from querybudget.hints import hinting
from querybudget.loops import following, following_async
from querybudget.origins import PAGE, Fetch, Origin, could_return_several, marked, noted, prefetched

_SINGLE = frozenset({"get", "first", "last", "earliest", "latest", "get_or_create", "update_or_create"})


_INHERITED = object()


class Patches:
    """Replacements of methods that stay in place while at least one user wants them; `with` is a user too.

    `places`: owner, name, and a function that makes the replacement of the original.
    """

    def __init__(self, *places: tuple[Any, str, Callable[[Any], Any]]) -> None:
        self._places = places
        self._originals: list[tuple[Any, str, Any, Any]] = []
        self._users = 0
        self._lock = threading.Lock()

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Patch, unless that is done already; each call wants one `release`."""
        with self._lock:
            self._users += 1
            if self._users == 1:
                for owner, name, replacement in self._places:
                    original = vars(owner).get(name, _INHERITED)
                    ours = replacement(original)
                    self._originals.append((owner, name, original, ours))
                    setattr(owner, name, ours)

    def release(self) -> None:
        """Restore the originals when the last user has gone; what somebody patched on top of stays."""
        with self._lock:
            self._users -= 1
            while self._users == 0 and self._originals:
                owner, name, original, ours = self._originals.pop()
                if vars(owner).get(name) is not ours:
                    continue
                if original is _INHERITED:
                    delattr(owner, name)
                else:
                    setattr(owner, name, original)


def _instances(original: Any) -> Any:
    """`ModelIterable.__iter__`: each instance is told where it came from."""

    def iterate(self: Any) -> Any:
        rows = original(self)
        if not (listening.get() or everywhere):
            return rows
        latest.cause = None
        joined = bool(getattr(self.queryset.query, "select_related", False))
        return marked(iter(rows), lambda: _origin(self.queryset, latest.cause), joined)

    return iterate


def _values(original: Any) -> Any:
    """`ValuesIterable.__iter__`: dictionaries and tuples are remembered."""

    def iterate(self: Any) -> Any:
        if not listening.get():
            return original(self)
        latest.cause = None  # before the query, which this makes at once
        return noted(iter(original(self)), lambda: _origin(self.queryset, latest.cause))

    return iterate


def _paged(original: Any) -> Any:
    """`Page.__init__`: its rows may be as many as the paginator has on a page."""

    def init(self: Any, object_list: Any, number: Any, paginator: Any) -> None:
        if isinstance(object_list, QuerySet) and object_list._result_cache is None:
            setattr(object_list.query, PAGE, paginator.per_page)
        original(self, object_list, number, paginator)

    return init


def _origin(queryset: Any, cause: Cause | None) -> Origin | None:
    """The origin of what `queryset` returns, given the cause of its query; None if nobody watched that."""
    if cause is None:
        return None
    single = cause.operation in _SINGLE or cause.operation == "lazy load"
    if cause.origin is not None and cause.relation is not None and (cause.origin.many or single):
        if cause.operation == "deferred column":
            return cause.origin
        return cause.origin.child(cause.relation[1], queryset.model)
    many = not single and (not hasattr(queryset.query, "where") or could_return_several(queryset.query))
    return Origin(Fetch(queryset.model, cause.location, many), queryset.model, many=many)


tracing = Patches(
    (QuerySet, "__iter__", following),
    (QuerySet, "iterator", following),
    (QuerySet, "__aiter__", following_async),
    (QuerySet, "aiterator", following_async),
    (RawQuerySet, "__iter__", following),
    (RawQuerySet, "iterator", following),
    (ModelIterable, "__iter__", _instances),
    (RawModelIterable, "__iter__", _instances),
    (ValuesIterable, "__iter__", _values),
    (ValuesListIterable, "__iter__", _values),
    (NamedValuesListIterable, "__iter__", _values),
    (Page, "__init__", _paged),
    (query, "prefetch_one_level", prefetched),
    (ReverseManyToOneDescriptor, "__get__", hinting),
)
"""Origins, loops and relations; needed by whoever wants the cause of a query."""
