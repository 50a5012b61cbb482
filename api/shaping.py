"""The queries of an answer, derived from the serializer that will render it.

`plan_of` walks the fields of a serializer instance and finds what they read: to-one relations
become `select_related`, to-many ones a `Prefetch` with a plan of its own, plain columns `only()`.
A method or property says what it reads with `@needs(...)`. What does not, as DRF's documentation
writes it, gets whole rows and may load the rest lazily; the plan says that it is `unplanned`.
Rendering happens under `no_queries()`, so serializer and queries can't drift apart unseen.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from django.conf import settings
from django.contrib.contenttypes.fields import GenericRelation
from django.core.exceptions import FieldDoesNotExist
from django.db import connections
from django.db.models import Field, ForeignKey, ForeignObjectRel, GeneratedField, Model, Prefetch, QuerySet
from rest_framework import serializers

from api.memo import memoised
from api.selection import Selection, apply, expandable, object_of
from querybudget.context import open_watches

logger = logging.getLogger(__name__)

LIBRARIES = ("rest_framework.", "django.", "builtins", "typing", "abc")
OF_WRITES = {
    *("Meta", "_declared_fields", "create", "default_error_messages", "default_validators", "get_validators"),
    *("is_valid", "run_validation", "run_validators", "save", "to_internal_value", "update", "validate", "validators"),
}

F = TypeVar("F", bound=Callable[..., Any])
M = TypeVar("M", bound=Model)


class UnplannedFieldError(Exception):
    """A serializer field whose reads can't be seen, where `SHAPING_GUARD` is "raise"; says what to declare."""


class QueryWhileRenderingError(Exception):
    """Rendering asked the database for something that the plan did not fetch."""


def needs(*paths: str) -> Callable[[F], F]:
    """Declare what a serializer's method or a model's property reads: `@needs("placed_by.name", "status")`.

    Paths are relative to the model; a to-many step (`lines.total`) fetches all its rows.
    """

    def declare(function: F) -> F:
        function.needs = paths  # type: ignore[attr-defined]
        return function

    return declare


@dataclass(frozen=True, slots=True)
class Plan:
    """What to fetch for one model: columns and joins as Django lookups, collections as plans.

    `unplanned`: of each part of the serializer whose reads can't be seen, a line that says so.
    """

    model: type[Model]
    columns: tuple[str, ...]
    joins: tuple[str, ...]
    collections: tuple[tuple[str, Plan], ...]
    models: frozenset[type[Model]]
    unplanned: tuple[str, ...] = ()

    def shape(self, queryset: QuerySet[M]) -> QuerySet[M]:
        """`queryset` fetching what the plan says and nothing else, but what it joins by itself for unplanned fields."""
        shaped = queryset
        if self.joins:
            shaped = queryset.select_related(*self.joins)
        elif not self.unplanned:
            shaped = queryset.select_related(None)
        return shaped.only(*self.columns).prefetch_related(
            *(Prefetch(lookup, plan.shape(plan.model._default_manager.all())) for lookup, plan in self.collections)
        )


@memoised()  # deriving costs about 0.8 ms; clients choose the selection, hence the bound
def plan_for(
    serializer_class: type[serializers.ModelSerializer[Any]], selection: Selection, also: tuple[str, ...] = ()
) -> Plan:
    """The plan of `serializer_class` after `selection`; `also` names columns that ordering or cursors read.

    Raises:
        UnplannedFieldError: `SHAPING_GUARD` is "raise", and a field reads something that is not a column or relation
            and does not declare it.
    """
    plan = plan_of(prepared(serializer_class, selection), also)
    if plan.unplanned and settings.SHAPING_GUARD == "raise":
        raise UnplannedFieldError(plan.unplanned[0])
    return plan


@lru_cache(maxsize=1024)
def is_planned(serializer_class: type[serializers.ModelSerializer[Any]]) -> bool:
    """Whether all that `serializer_class` reads can be seen, with whatever a client expands at its top."""
    for expand in [(), *((name,) for name in expandable(object_of(serializer_class())))]:
        if plan_of(prepared(serializer_class, Selection(expand=expand))).unplanned:
            return False
    return True


def prepared(serializer_class: type[serializers.BaseSerializer[Any]], selection: Selection) -> Any:
    """A serializer after `selection`; as it is where a request decides of its fields."""
    serializer = serializer_class()
    if not any(map(makes_fields, nested(object_of(serializer)))):
        apply(selection, serializer)
    return serializer


def nested(serializer: serializers.Serializer[Any]) -> Iterator[serializers.Serializer[Any]]:
    """It, and those in its fields, as far as they are the same for each request."""
    yield serializer
    for each in () if makes_fields(serializer) else serializer.fields.values():
        if isinstance(each, serializers.BaseSerializer):
            yield from nested(object_of(each))


def makes_fields(serializer: serializers.BaseSerializer[Any]) -> bool:
    """Whether which fields there are, or how they are read, may depend on the request or on each row."""
    kind: Any = type(serializer)
    return bool(own_attributes(kind) - {"to_representation"})


@lru_cache(maxsize=1024)
def own_attributes(kind: Any) -> frozenset[str]:
    """What a serializer or a field has of its own in place of DRF's, but for what only writes come to."""
    of: dict[bool, set[str]] = {True: set(), False: set()}
    for each in kind.__mro__:
        names = (name for name in vars(each) if not name.startswith("__") or name in ("__init__", "__new__"))
        of[each.__module__.startswith(LIBRARIES)].update(names)
    return frozenset(of[False] & of[True] - OF_WRITES)


def plan_of(serializer: serializers.BaseSerializer[Any], also: Iterable[str] = ()) -> Plan:
    """Derive the plan of a serializer instance (or of a list of them)."""
    shape = object_of(serializer)
    draft = Draft(shape.Meta.model)  # type: ignore[attr-defined]
    draft.columns.update(also)
    Walk(draft, "", draft.model).serializer(shape)
    return draft.plan()


@dataclass(slots=True)
class Draft:
    """A plan while it is collected."""

    model: type[Model]
    columns: set[str] = field(default_factory=set)
    joins: set[str] = field(default_factory=set)
    collections: dict[str, Draft] = field(default_factory=dict)
    models: set[type[Model]] = field(default_factory=set)
    unplanned: list[str] = field(default_factory=list)

    def plan(self) -> Plan:
        collections = tuple((lookup, draft.plan()) for lookup, draft in sorted(self.collections.items()))
        return Plan(
            self.model,
            tuple(sorted(self.columns | {key_of(self.model)})),
            tuple(sorted(self.joins)),
            collections,
            frozenset(self.models | {self.model}).union(*(plan.models for _, plan in collections)),
            (*self.unplanned, *(line for _, plan in collections for line in plan.unplanned)),
        )


@dataclass(frozen=True, slots=True)
class Walk:
    """A place in the walk: `model`, reached from the draft's model through the to-one lookups `prefix`."""

    draft: Draft
    prefix: str
    model: type[Model]

    def serializer(self, serializer: serializers.Serializer[Any]) -> None:
        kind = type(serializer)
        if makes_fields(serializer):
            return self.unseen(f"{kind.__name__} makes its fields by itself, and what they read can't be seen")
        if kind.to_representation is not serializers.Serializer.to_representation:
            self.declared(kind.to_representation, f"{kind.__name__}.to_representation")
        for bound in serializer.fields.values():
            if not bound.write_only:
                self.field(serializer, bound)

    def field(self, serializer: serializers.Serializer[Any], bound: serializers.Field[Any, Any, Any, Any]) -> None:
        where = f"{type(serializer).__name__}.{bound.field_name}"
        if isinstance(bound, serializers.SerializerMethodField):
            self.declared(getattr(serializer, str(bound.method_name)), where)
        elif bound.source == "*":
            if isinstance(bound, serializers.Serializer):
                self.serializer(bound)
            else:
                self.declared(type(bound), where)
        elif not is_of_drf(type(bound).get_attribute):
            self.declared(type(bound), where)
        else:
            self.path(bound.source_attrs, bound, where)

    def declared(self, reader: object, where: str) -> None:
        paths = getattr(reader, "needs", None)
        if paths is None:
            self.unseen(unseen(where))
        for path in paths or ():
            self.path(path.split("."), None, where)

    def unseen(self, line: str) -> None:
        """Plan the whole row here: `line` says of what part nobody knows what it reads."""
        self.draft.unplanned.append(line)
        self.draft.columns.update(f"{self.prefix}{column.name}" for column in self.model._meta.concrete_fields)

    def path(self, names: list[str], bound: serializers.Field[Any, Any, Any, Any] | None, where: str) -> None:
        """Follow `names` from here; `bound` is the serializer field that reads the end, None for a declared need."""
        name, *rest = names
        found = attribute(self.model, name)
        if found is None:
            reader = getattr(self.model, name, None)
            function = reader.func if isinstance(reader, cached_property) else getattr(reader, "fget", reader)
            self.declared(function, f"{where} ({self.model.__name__}.{name})")
        elif not found.is_relation or name != relation_name(found):
            self.draft.columns.add(f"{self.prefix}{found.name}")
        elif found.one_to_many or found.many_to_many:
            self.collection(name, found, rest, bound, where)
        elif rest:
            self.join(name, found).path(rest, bound, where)
        elif isinstance(bound, serializers.Serializer):
            self.join(name, found).serializer(bound)
        elif isinstance(bound, serializers.SlugRelatedField):
            self.join(name, found).path(str(bound.slug_field).split("__"), None, where)
        elif bound is not None and not isinstance(bound, serializers.PrimaryKeyRelatedField):
            self.join(name, found).unseen(f"{where}: what {type(bound).__name__} reads of {name} can't be seen")
        elif found.concrete:
            self.draft.columns.add(f"{self.prefix}{name}")  # the key is a column of this side: no join
        else:
            self.join(name, found)

    def join(self, name: str, relation: Any) -> Walk:
        self.draft.joins.add(f"{self.prefix}{name}")
        self.draft.models.add(relation.related_model)
        below = Walk(self.draft, f"{self.prefix}{name}__", relation.related_model)
        self.draft.columns.add(f"{below.prefix}{key_of(below.model)}")
        return below

    def collection(
        self,
        name: str,
        relation: Any,
        rest: list[str],
        bound: serializers.Field[Any, Any, Any, Any] | None,
        where: str,
    ) -> None:
        draft = self.draft.collections.setdefault(f"{self.prefix}{name}", Draft(relation.related_model))
        draft.columns.update(back_key(relation))
        draft.columns.update(
            name.removeprefix("-") for name in draft.model._meta.ordering or () if isinstance(name, str)
        )
        below = Walk(draft, "", draft.model)
        if rest:
            below.path(rest, bound, where)
        elif isinstance(bound, serializers.ListSerializer):
            if type(bound).to_representation is not serializers.ListSerializer.to_representation:
                below.declared(type(bound).to_representation, f"{type(bound).__name__}.to_representation")
            below.serializer(object_of(bound))
        elif isinstance(each := getattr(bound, "child_relation", None), serializers.SlugRelatedField):
            below.path(str(each.slug_field).split("__"), None, where)
        elif bound is not None and not isinstance(each, serializers.PrimaryKeyRelatedField):
            below.unseen(f"{where}: what {type(bound).__name__} reads of {name} can't be seen")


def unseen(where: str) -> str:
    """What to say of a part of a serializer that declares nothing."""
    return f'{where} reads what can\'t be seen; declare it: @needs("column", "relation.x")'


def is_of_drf(function: Callable[..., Any]) -> bool:
    return function.__module__.startswith("rest_framework.")


def attribute(model: type[Model], name: str) -> Field[Any, Any] | ForeignObjectRel | None:
    """The model's field or reverse relation that is read as `instance.name`; None for anything else."""
    if name == "pk":
        return model._meta.pk
    for relation in model._meta.related_objects:
        if relation.get_accessor_name() == name:
            return relation
    try:
        found = model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    return None if isinstance(found, ForeignObjectRel) else found


def stored(column: Any) -> Field[Any, Any]:
    """The field that says what kind of value `column` has."""
    kind: Any = column
    if isinstance(column, ForeignKey):
        kind = column.target_field
    elif isinstance(column, GeneratedField):
        kind = column.output_field
    return kind  # type: ignore[no-any-return]


def relation_name(relation: Any) -> str:
    """How an instance's related object is read; `company_id` reads the key of `company` instead."""
    if isinstance(relation, ForeignObjectRel):
        return str(relation.get_accessor_name())
    return str(relation.name)


def key_of(model: type[Model]) -> str:
    return model._meta.pk.name


def back_key(relation: Any) -> set[str]:
    """The columns by which Django hands prefetched rows to their owners; without them each row costs a query."""
    if isinstance(relation, GenericRelation):
        return {relation.object_id_field_name, relation.content_type_field_name}
    return {relation.field.name} if relation.one_to_many else set()


@contextmanager
def no_queries(refused: list[str] | None = None) -> Iterator[None]:
    """Forbid queries on every open connection.

    A query raises QueryWhileRenderingError where `SHAPING_GUARD` is "raise"; where it is "report" it is answered and
    logged as an error. Where it is "budgets", as in tests, it is answered if `querybudget` watches, which tells the
    field, the line and what to write, and raises if nobody does. With `refused` it raises whatever the setting, and
    its SQL is put there, as code in between may catch the error.
    """

    def refuse(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        guard = settings.SHAPING_GUARD
        if refused is not None:
            refused.append(sql)
        if refused is not None or guard == "raise" or (guard == "budgets" and not open_watches()):
            raise QueryWhileRenderingError(f"rendering asked for what the plan did not fetch: {sql}")
        if guard == "report":
            logger.error("query while rendering, not in the plan: %s", sql)
        return execute(sql, params, many, context)

    with ExitStack() as stack:
        for connection in connections.all(initialized_only=True):
            stack.enter_context(connection.execute_wrapper(refuse))
        yield
