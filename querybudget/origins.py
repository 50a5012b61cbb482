"""Where a model instance came from: which fetch, along which relations, and whether it has siblings.

While a watch with detail is open, each instance that a query makes carries an `Origin` in its
`_state`. A lazy load on an instance is an N+1 when its origin is `many`: the query could have returned
several rows, however many there were today.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model
from django.db.models.lookups import Exact
from django.db.models.manager import BaseManager
from django.db.models.sql import AND

from querybudget.context import listening
from querybudget.frames import Location

FEW = 5
"""Rows up to which a LIMIT asks for a fixed handful: looking each of them up is no loop over a table."""

MOST = 10_000
"""Rows of `values()` that a watch keeps, so that a loop over them is known for one."""

PAGE = "_querybudget_page"
"""Attribute of a `sql.Query`: how many rows the page that it loads may have."""


@dataclass(slots=True, eq=False)
class Fetch:
    """A queryset's evaluation by the application. `many`: it could have returned several rows."""

    model: type[Model]
    location: Location | None
    many: bool


@dataclass(slots=True, eq=False)
class Origin:
    """A fetch and the relations that lead from its rows to an instance, as accessor names.

    `many`: the instance could have had siblings. `children`: the origins one relation further.
    `relation`: its last one, where a `Prefetch` with `to_attr` put it under another name.
    """

    fetch: Fetch
    model: type[Model]
    path: tuple[str, ...] = ()
    many: bool = False
    children: dict[str, Origin] = field(default_factory=dict)
    relation: str = ""

    def child(self, name: str, model: type[Model], *, several: bool = False) -> Origin:
        """The origin of what the relation `name` leads to; `several` for a relation to many."""
        found = self.children.get(name)
        if found is None:
            found = Origin(self.fetch, model, (*self.path, name), self.many or several)
            self.children[name] = found
        return found

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        """A pickled or copied instance takes nothing of this along."""
        return type(None), ()


def origin_of(instance: object) -> Origin | None:
    """The origin of a model instance; None if no watched query made it.

    Of anything else no attribute is read: a lazy object would go and ask the database.
    """
    return getattr(instance._state, "querybudget", None) if Model in type(instance).__mro__ else None  # type: ignore[attr-defined]


def origin_of_values(row: object) -> Origin | None:
    """The origin of a row of `values()` or `values_list()`, which is known by its identity."""
    for watch in listening.get() if issubclass(type(row), (dict, tuple)) else ():
        known = watch.rows.get(id(row)) if watch.detail else None
        if known is not None:
            return known[1]
    return None


def mark(instance: Model, origin: Origin, *, joined: bool = True) -> None:
    """Say where `instance` came from; with `joined` also what its query loaded along with it."""
    instance._state.querybudget = origin  # type: ignore[attr-defined]
    if joined:
        for name, related in instance._state.fields_cache.items():
            if isinstance(related, Model) and origin_of(related) is None:
                mark(related, origin.child(name, type(related)))


def marked(rows: Iterator[Model], origin: Any, joined: bool) -> Iterator[Model]:
    """`rows`, each with its origin; `origin()` is called when the first has come, so that its query is known."""
    for row in rows:
        known = origin()
        if known is not None:
            mark(row, known, joined=joined)
        yield row
        break
    else:
        return
    if known is None:
        yield from rows
    for row in rows:
        if joined:
            mark(row, known)
        else:
            row._state.querybudget = known  # type: ignore[attr-defined]
        yield row


def noted(rows: Iterator[Any], origin: Any) -> Iterator[Any]:
    """`rows` that are no instances; the open watches keep the first ones, with their origin."""
    known: Origin | None = None
    for number, row in enumerate(rows):
        if number == 0:
            known = origin()
        if known is not None and number < MOST:
            for watch in listening.get():
                if watch.detail and not watch.closed and len(watch.rows) < MOST:
                    watch.rows[id(row)] = row, known
        yield row


def could_return_several(query: Any) -> bool:
    """Whether a `sql.Query` is neither limited to a handful nor a lookup of a unique value."""
    limit = None if query.high_mark is None else query.high_mark - query.low_mark
    limit = getattr(query, PAGE, limit)  # a paginator cuts its last page where the rows end
    if limit is not None and limit <= FEW:
        return False
    return not is_unique_lookup(query)


def is_unique_lookup(query: Any) -> bool:
    """Whether a `sql.Query` compares a unique column of its own table with one value."""
    where = query.where
    if where.connector != AND or where.negated:
        return False
    return any(_names_one_row(condition, query) for condition in where.children)


def _names_one_row(condition: Any, query: Any) -> bool:
    target = getattr(getattr(condition, "lhs", None), "target", None)
    return (
        isinstance(condition, Exact)
        and getattr(target, "unique", False)
        and getattr(target, "model", None) in (query.model, *query.model._meta.all_parents)
    )


def prefetched(original: Any) -> Any:
    """`prefetch_one_level`: what it loads comes from the fetch whose rows it was loaded for."""

    def prefetch_one_level(instances: Any, prefetcher: Any, lookup: Any, level: int) -> Any:
        objects, additional = original(instances, prefetcher, lookup, level)
        parent = origin_of(instances[0])
        if parent is not None:
            several = isinstance(prefetcher, BaseManager)
            name, _ = lookup.get_current_to_attr(level)
            for instance in objects:
                mark(instance, parent.child(name, type(instance), several=several), joined=False)
            if name in parent.children:
                parent.children[name].relation = lookup.prefetch_through.split("__")[level]
        return objects, additional

    return prefetch_one_level
