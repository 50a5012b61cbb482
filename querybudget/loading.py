"""Try eager loads without touching the code: they are added to the querysets of this process only.

A `Change` names the fetch it is for by model and line. While `applied(changes)` is open, a queryset
that is about to be evaluated there gets them. A "matching" prefetch stands for code that would read
the list that it makes: the filtered relation is answered from that list. So an "annotation" stands for
code that would read the column that it makes.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from operator import attrgetter
from typing import Any

from django.db.models import Count, Exists, OuterRef, Prefetch, Q
from django.db.models.query import QuerySet

from querybudget.advice import Change, conditions_of, reversed_order, source_of
from querybudget.causes import cause_of_query
from querybudget.context import bound
from querybudget.hints import related_through
from querybudget.origins import origin_of
from querybudget.relations import back_name, query_name
from querybudget.tracing import Patches

_changes: ContextVar[Sequence[Change]] = ContextVar("querybudget_changes", default=())


@contextlib.contextmanager
def applied(changes: Sequence[Change]) -> Iterator[None]:
    """Load what `changes` say for the block."""
    with _patches, bound(_changes, changes):
        yield


def _evaluating(original: Any) -> Any:
    def evaluate(self: Any, *arguments: Any, **named: Any) -> Any:
        changes = _changes.get()
        if changes and self._result_cache is None and not _answer_from_memory(self, changes):
            _apply(self, changes)
        return original(self, *arguments, **named)

    return evaluate


def _iterating(original: Any) -> Any:
    """Its query is made by whoever asks for the first row, on a line of its own."""

    def iterate(self: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        if changes := _changes.get():
            _apply(self, changes)
        yield from original(self, *arguments, **named)

    return iterate


def _answering(operation: str) -> Any:
    def around(original: Any) -> Any:
        def answer(self: Any, *arguments: Any, **named: Any) -> Any:
            for change in _changes.get():
                if change.operation == operation and change.arguments == tuple(named.items()):
                    known = _annotated(self, change)
                    if known is not None:
                        return known
            return original(self, *arguments, **named)

        return answer

    return around


_patches = Patches(
    (QuerySet, "_fetch_all", _evaluating),
    (QuerySet, "_iterator", _iterating),
    *((QuerySet, name, _answering(name)) for name in ("count", "exists", "aggregate")),
)


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
    related: Any = change.related
    rows = related._default_manager.filter(**dict(change.conditions))
    rows = rows.order_by(*change.order) if change.order else rows
    lookup = Prefetch(change.lookup, rows, to_attr=_attribute(change))
    queryset._prefetch_related_lookups = (*queryset._prefetch_related_lookups, lookup)


def _annotate(queryset: Any, change: Change) -> None:
    made = {f"{_attribute(change)}_{name}": made for name, made in _expressions(change).items()}
    queryset.query = queryset.annotate(**made).query


def _expressions(change: Change) -> dict[str, Any]:
    """What `change.text` says, by the keyword of `aggregate`, or "" for a count or existence."""
    model, related = change.fetch.model, change.related
    lookup = query_name(model, change.lookup)
    only = Q(**{f"{lookup}__{name}": value for name, value in change.conditions}) if change.conditions else None
    if change.operation == "count":
        return {"": Count(lookup, filter=only)}
    if change.operation == "aggregate":
        return {name: type(value)(f"{lookup}__{source_of(value)}", filter=only) for name, value in change.arguments}
    back = {back_name(model, change.lookup): OuterRef("pk")}
    return {"": Exists(related._default_manager.filter(**back, **dict(change.conditions)))}  # type: ignore[union-attr]


def _annotated(queryset: Any, change: Change) -> Any:
    """What an annotation knows of a relation's rows; None if it knows nothing."""
    instance, relation = related_through(queryset)
    query = queryset.query
    if relation is None or relation[1] != change.lookup or query.is_sliced or query.distinct:
        return None
    start = f"{_attribute(change)}_"
    known = {name.removeprefix(start): value for name, value in vars(instance).items() if name.startswith(start)}
    if not known or tuple(conditions_of(query, *relation)) != change.conditions:
        return None
    return known if change.operation == "aggregate" else known[""]


def _nothing(queryset: Any, change: Change) -> None:
    """The rows are there already."""


def _load_column(queryset: Any, change: Change) -> None:
    names, defer = queryset.query.deferred_loading
    name = change.lookup
    queryset.query.deferred_loading = (names - {name} if defer else names | {name}), defer


_APPLY = {
    "select_related": _join,
    "prefetch_related": _prefetch,
    "matching": _prefetch_matching,
    "column": _load_column,
    "annotation": _annotate,
    "loaded": _nothing,
}


def _attribute(change: Change) -> str:
    return f"querybudget_{abs(hash(change.key))}"


def _answer_from_memory(queryset: Any, changes: Sequence[Change]) -> bool:
    """Give a relation the rows that a prefetch has loaded; False if none has those it asks for."""
    instance, relation = related_through(queryset)
    if instance is None or relation is None:
        return False
    for change in changes:
        if change.lookup.split("__")[-1] == relation[1] and change.kind in _REMEMBERED:
            rows = _REMEMBERED[change.kind](queryset, instance, relation, change)
            if rows is not None:
                queryset._result_cache = rows[queryset.query.low_mark : queryset.query.high_mark]
                return True
    return False


def _matching_rows(queryset: Any, instance: Any, relation: Any, change: Change) -> list[Any] | None:
    query = queryset.query
    rows: list[Any] | None = vars(instance).get(_attribute(change))
    order = query.order_by if query.standard_ordering else tuple(map(reversed_order, query.order_by))
    if rows is None or tuple(one for one in order if one != "pk") != change.order:
        return None
    if tuple(conditions_of(query, *relation)) != change.conditions:
        return None
    return sorted(rows, key=attrgetter("pk")) if order == ("pk",) else rows


def _loaded_rows(queryset: Any, instance: Any, relation: Any, change: Change) -> list[Any] | None:
    loaded = getattr(instance, "_prefetched_objects_cache", {}).get(relation[1])
    if loaded is None or list(conditions_of(queryset.query, *relation)) or queryset.query.order_by not in _BY_KEY:
        return None
    rows = list(loaded)
    return rows[::-1] if change.operation == "last" else rows


_BY_KEY = ((), ("pk",), ("-pk",))
_REMEMBERED = {"matching": _matching_rows, "loaded": _loaded_rows}
