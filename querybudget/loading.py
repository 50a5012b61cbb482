"""Try eager loads without touching the code: they are added to the querysets of this process only.

A `Change` names the fetch it is for by model and line. While `applied(changes)` is open, a queryset
that is about to be evaluated there gets them. A "matching" prefetch stands for code that would read
the list that it makes: the filtered relation is answered from that list.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from operator import attrgetter
from typing import Any

from django.db.models import Prefetch
from django.db.models.query import QuerySet

from querybudget.advice import Change, conditions_of, related_model
from querybudget.causes import cause_of_query, related_through
from querybudget.origins import origin_of
from querybudget.tracing import Patches

_changes: ContextVar[Sequence[Change]] = ContextVar("querybudget_changes", default=())


@contextlib.contextmanager
def applied(changes: Sequence[Change]) -> Iterator[None]:
    """Load what `changes` say for the block."""
    _patches.acquire()
    token = _changes.set(changes)
    try:
        yield
    finally:
        _changes.reset(token)
        _patches.release()


def _evaluating(original: Any) -> Any:
    def evaluate(self: Any, *arguments: Any, **named: Any) -> Any:
        changes = _changes.get()
        if changes and self._result_cache is None and not _answer_from_memory(self, changes):
            _apply(self, changes)
        return original(self, *arguments, **named)

    return evaluate


_patches = Patches((QuerySet, "_fetch_all", _evaluating), (QuerySet, "_iterator", _evaluating))


def _apply(queryset: Any, changes: Sequence[Change]) -> None:
    mine = [change for change in changes if change.fetch.model is queryset.model]
    origin = origin_of(related_through(queryset)[0])
    if not mine or (origin is not None and origin.many):
        return
    location = str(cause_of_query(2).location)
    mine = [change for change in mine if str(change.fetch.location) == location]
    if mine and queryset._fields is None:
        queryset.query = queryset.query.chain()
        for change in mine:
            _APPLY[change.kind](queryset, change)


def _join(queryset: Any, change: Change) -> None:
    query = queryset.query
    query.select_related = copy.deepcopy(query.select_related)
    if query.select_related is not True:
        query.add_select_related([*(_paths(query.select_related or {})), change.lookup])
    names, defer = query.deferred_loading
    if not defer:
        query.deferred_loading = names | {change.lookup.partition("__")[0]}, False


def _paths(tree: dict[str, Any]) -> Iterator[str]:
    for name, below in tree.items():
        yield name
        yield from (f"{name}__{path}" for path in _paths(below))


def _prefetch(queryset: Any, change: Change) -> None:
    queryset._prefetch_related_lookups = (*queryset._prefetch_related_lookups, change.lookup)


def _prefetch_matching(queryset: Any, change: Change) -> None:
    related = _target(change)
    rows = related._default_manager.filter(**dict(change.conditions)).order_by(*change.order)
    lookup = Prefetch(change.lookup, rows, to_attr=_attribute(change))
    queryset._prefetch_related_lookups = (*queryset._prefetch_related_lookups, lookup)


def _load_column(queryset: Any, change: Change) -> None:
    names, defer = queryset.query.deferred_loading
    name = change.lookup
    queryset.query.deferred_loading = (names - {name} if defer else names | {name}), defer


_APPLY = {
    "select_related": _join,
    "prefetch_related": _prefetch,
    "matching": _prefetch_matching,
    "column": _load_column,
}


def _attribute(change: Change) -> str:
    return f"_querybudget_{abs(hash(change.key))}"


def _target(change: Change) -> Any:
    model: Any = change.fetch.model
    for name in change.lookup.split("__"):
        model = related_model(model, name)
    return model


def _answer_from_memory(queryset: Any, changes: Sequence[Change]) -> bool:
    """Give a filtered relation the rows that a "matching" prefetch has loaded; False if none has."""
    instance, relation = related_through(queryset)
    if instance is None or relation is None:
        return False
    model, name = relation
    query = queryset.query
    order = tuple(one for one in query.order_by if one != "pk")
    for change in changes:
        if change.kind != "matching" or change.lookup.split("__")[-1] != name or change.order != order:
            continue
        rows = vars(instance).get(_attribute(change))
        if rows is not None and tuple(conditions_of(query, model, name)) == change.conditions:
            rows = sorted(rows, key=attrgetter("pk")) if query.order_by == ("pk",) else rows
            queryset._result_cache = rows[query.low_mark : query.high_mark]
            return True
    return False
