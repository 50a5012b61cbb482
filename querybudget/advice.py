"""What to write instead: the text, and where it can be tried out the change to the root queryset."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from django.db.models import Field, Model
from django.db.models.lookups import Lookup
from django.db.models.sql import AND

from querybudget.causes import Cause
from querybudget.origins import Fetch, Origin, is_unique_lookup
from querybudget.relations import (
    Relation,
    back_name,
    columns_back,
    is_joinable,
    query_name,
    related_model,
    relation_of,
    through_table,
)

ChangeKind = Literal["select_related", "prefetch_related", "column", "matching", "annotation", "loaded"]


@dataclass(frozen=True, slots=True)
class Change:
    """An eager load that can be applied to the queryset of a fetch without touching the code.

    `kind`: "select_related", "prefetch_related", "column" (load what was deferred), "matching" (a
    `Prefetch` of the rows that match a filter), "annotation" (a count, existence or aggregate in the
    query of the rows) or "loaded" (read what is prefetched already). `lookup`: the relations from the
    fetch's model on, or the column. `conditions`, `order`: of a "matching" prefetch; `related`: the model
    of its rows. `operation`, `arguments`: the method that an annotation replaces, and its keywords.
    `text`: what to write.
    """

    kind: ChangeKind
    fetch: Fetch
    lookup: str
    text: str
    conditions: tuple[tuple[str, Any], ...] = ()
    order: tuple[str, ...] = ()
    operation: str = ""
    arguments: tuple[tuple[str, Any], ...] = ()
    related: type[Model] | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for the same change in two runs of the same code."""
        where = self.kind, self.fetch.model, str(self.fetch.location), self.lookup
        return *where, self.conditions, self.order, self.operation, self.arguments


@dataclass(frozen=True, slots=True)
class Advice:
    """`text` to write; `change` where applying it to the root queryset is all there is to do."""

    text: str
    change: Change | None = None


def advise_read(cause: Cause) -> Advice:
    """What to do about a query that is made for each row."""
    if cause.operation == "refresh_from_db":
        return Advice("the row was just loaded: drop refresh_from_db(), or load it where it is needed")
    if cause.each_item:
        return Advice(_look_up_all(cause, "validate all items with one query"))
    if cause.origin is not None and cause.origin.many and cause.relation is not None:
        return _eager(cause, cause.origin, cause.relation)
    return _before_the_loop(cause)


def advise_write(cause: Cause, sql: str) -> Advice:
    """What to do about a write that is made for each row."""
    model = _model_of(cause)
    rows = f"{model}.objects.filter({_column_of(cause)}__in=[…])" if model else "one statement"
    if cause.operation == "update":
        return Advice(f"{rows}.update(…)")
    if cause.operation == "delete":
        return Advice(f"{rows}.delete()")
    if cause.operation in ("get_or_create", "update_or_create"):
        ignore = "ignore_conflicts=True" if cause.operation == "get_or_create" else "update_conflicts=True, …"
        return Advice(f"{model}.objects.bulk_create([…], {ignore})")
    if cause.operation in ("add", "set") and cause.relation is not None:
        return Advice(f"{cause.relation[0].__name__}.{cause.relation[1]}.through.objects.bulk_create([…])")
    if cause.operation in ("clear", "remove") and cause.relation is not None:
        field = getattr(relation_of(*cause.relation), "m2m_field_name", lambda: "…")()
        through = f"{cause.relation[0].__name__}.{cause.relation[1]}.through"
        return Advice(f"{through}.objects.filter({field}__in=[…]).delete()")
    if cause.operation in ("save", "create", "bulk_create") and model:
        new = sql.lstrip().upper().startswith("INSERT")
        return Advice(f"{model}.objects.bulk_create([…])" if new else f"{model}.objects.bulk_update([…], […])")
    return Advice("one statement for all rows, after the loop: executemany, bulk_create or bulk_update")


def _eager(cause: Cause, origin: Origin, relation: Relation) -> Advice:
    model, name = relation
    if cause.operation == "deferred column":
        column = "__".join((*origin.path, name))
        text = f'.only(…, "{column}"), or no .defer("{column}")'
        return Advice(text, Change("column", origin.fetch, column, text))
    lookup = "__".join((*origin.path, name))
    if cause.operation == "lazy load":
        joined = is_joinable(origin.fetch.model, (*origin.path, name))
        kind: ChangeKind = "select_related" if joined else "prefetch_related"
        text = f'.{kind}("{lookup}")'
        return Advice(text, Change(kind, origin.fetch, lookup, text))
    related = related_model(model, name)
    conditions = list(conditions_of(cause.query, model, name)) if cause.query is not None else []
    known = all(condition is not None for condition in conditions)
    filters = tuple(condition for condition in conditions if condition is not None)
    if cause.operation in ("count", "exists", "aggregate") and known and not origin.path:
        text = _annotation(cause, name, related, filters, model)
        arguments = tuple((cause.arguments or {}).items()) if cause.operation == "aggregate" else ()
        return Advice(
            text, Change("annotation", origin.fetch, name, text, filters, (), cause.operation, arguments, related)
        )
    plain = f'.prefetch_related("{lookup}")'
    order = tuple(one for one in getattr(cause.query, "order_by", ()) if one != "pk")
    one_of_them = cause.operation in ("first", "last", "earliest", "latest")
    if cause.query is None or (not filters and not order and known and not one_of_them):
        whole = cause.operation in ("all", "count", "exists", "contains") and not _picks_columns(cause.query)
        return Advice(plain, Change("prefetch_related", origin.fetch, lookup, plain) if whole else None)
    if not known or related is None or not all(isinstance(one, str) for one in order):
        return Advice(f"{plain}, and filter in Python: .filter() on a relation asks the database again")
    if cause.prefetched and not filters and not order and cause.operation in ("first", "last"):
        end = "[0]" if cause.operation == "first" else "[-1]"
        text = f"{name}.all(){end}: {name} is prefetched, and .{cause.operation}() asks the database again"
        return Advice(text, Change("loaded", origin.fetch, lookup, text, operation=cause.operation))
    by_text = _order_of_rows(cause, related, order)
    text = _matching(lookup, name, related, filters, by_text or (() if filters else ("pk",)))
    order = by_text if cause.operation in ("earliest", "latest") else order
    can_try = cause.operation in ("all", "get", "first", "earliest", "latest") and not _picks_columns(cause.query)
    change = Change("matching", origin.fetch, lookup, text, filters, order, related=related)
    return Advice(text, change if can_try else None)


def _order_of_rows(cause: Cause, related: type[Model], order: tuple[str, ...]) -> tuple[str, ...]:
    """The order in which the row that `first()` or one of its kin returns is the first; () is that of the key."""
    if cause.operation in ("earliest", "latest"):
        latest_by: Any = related._meta.get_latest_by or ()
        named = (cause.arguments or {}).get("fields") or ([latest_by] if isinstance(latest_by, str) else latest_by)
        order = tuple(named)
    elif cause.operation in ("first", "last"):
        order = order or tuple(one for one in related._meta.ordering or () if isinstance(one, str)) or ("pk",)
    order = tuple(map(reversed_order, order)) if cause.operation in ("last", "latest") else order
    return tuple(one for one in order if one != "pk")


def reversed_order(name: str) -> str:
    """ "-placed_at" for "placed_at", and the other way round."""
    return name[1:] if name.startswith("-") else f"-{name}"


def _picks_columns(query: Any) -> bool:
    return query is not None and (bool(query.values_select) or bool(query.annotations) or query.distinct)


def _matching(
    lookup: str, name: str, related: type[Model], filters: tuple[tuple[str, Any], ...], order: tuple[str, ...]
) -> str:
    queryset = f"{related.__name__}.objects"
    if filters:
        queryset += f".filter({_keywords(filters)})"
    if order:
        queryset += f".order_by({', '.join(map(_quoted, order))})"
    flags = [field for field, value in filters if value is True and "__" not in field]
    attribute = f"{flags[0] if flags else 'matching' if filters else 'sorted'}_{name}"
    return f'Prefetch("{lookup}", {queryset}, to_attr="{attribute}")'


def _annotation(
    cause: Cause, name: str, related: type[Model] | None, filters: tuple[tuple[str, Any], ...], model: type[Model]
) -> str:
    lookup = query_name(model, name)
    inside = _keywords(tuple((f"{lookup}__{column}", value) for column, value in filters))
    condition = f", filter=Q({inside})" if filters else ""
    if cause.operation == "count":
        return f'.annotate({name}_count=Count("{lookup}"{condition}))'
    if cause.operation == "aggregate":
        made = [
            f'{keyword}={type(value).__name__}("{lookup}__{source_of(value)}"{condition})'
            for keyword, value in (cause.arguments or {}).items()
        ]
        return f".annotate({', '.join(made)})"
    back = back_name(model, name)
    also = f", {_keywords(filters)}" if filters else ""
    target = related.__name__ if related else "…"
    return f'.annotate(has_{name}=Exists({target}.objects.filter({back}=OuterRef("pk"){also})))'


def source_of(expression: Any) -> str:
    """The column that an aggregate is made of; "…" for an expression."""
    sources = expression.get_source_expressions()
    return str(getattr(sources[0], "name", "…")) if sources else "…"


def _before_the_loop(cause: Cause) -> Advice:
    origin = cause.loop if isinstance(cause.loop, Origin) else None
    row_model = origin.model if origin else getattr(getattr(cause.loop, "query", None), "model", None)
    query = cause.query
    if query is not None and hasattr(query, "where") and cause.operation == "get" and is_unique_lookup(query):
        keys = [
            one.name
            for one in (row_model._meta.concrete_fields if row_model else ())
            if one.is_relation and one.related_model is query.model
        ]
        if len(keys) == 1:
            lookup = "__".join((*(origin.path if origin else ()), keys[0]))
            return Advice(f'.select_related("{lookup}"), and read .{keys[0]} of the row')
    return Advice(_look_up_all(cause, "one statement for all rows, before the loop"))


def _look_up_all(cause: Cause, otherwise: str) -> str:
    query = cause.query
    if query is None or not hasattr(query, "where"):
        return f"{otherwise}: WHERE … IN (…) or GROUP BY"
    conditions = [one for one in conditions_of(query, None, "") if one is not None]
    if not conditions:
        return otherwise
    column = "pk" if getattr(query.model._meta.pk, "name", "") == conditions[0][0] else conditions[0][0]
    return f"{otherwise}: {query.model.__name__}.objects.filter({column.removesuffix('__exact')}__in=[…])"


def conditions_of(query: Any, model: type[Model] | None, name: str) -> Iterator[tuple[str, Any] | None]:
    """The conditions of a `sql.Query` as keyword and value, without those of the relation `model.name`.

    None stands for one that can't be said like that: a negation, another table, an expression.
    """
    where = query.where
    skip = columns_back(model, name) if model is not None else frozenset()
    through = through_table(model, name) if model is not None else None
    if where.negated or where.connector != AND:
        yield None
        return
    for condition in where.children:
        target = getattr(getattr(condition, "lhs", None), "target", None)
        if not isinstance(condition, Lookup) or not isinstance(target, Field):
            yield None
        elif target in skip or (through is not None and target.model._meta.db_table == through):
            continue
        elif condition.lhs.alias != query.base_table or not _is_plain(condition.rhs):
            yield None
        else:
            suffix = "" if condition.lookup_name == "exact" else f"__{condition.lookup_name}"
            yield target.name + suffix, condition.rhs


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))


def _column_of(cause: Cause) -> str:
    """The column that tells the rows of a write apart."""
    conditions = getattr(getattr(cause.query, "where", None), "children", [])
    target = getattr(getattr(conditions[0], "lhs", None), "target", None) if conditions else None
    return "pk" if target is None or target.primary_key else str(target.name)


def _model_of(cause: Cause) -> str:
    if cause.query is not None and getattr(cause.query, "model", None) is not None:
        return str(cause.query.model.__name__)
    if cause.subject is not None:
        return cause.subject.__name__
    return ""


def _keywords(filters: tuple[tuple[str, Any], ...]) -> str:
    return ", ".join(f"{name}={_literal(value)}" for name, value in filters)


def _literal(value: Any) -> str:
    return _quoted(value) if isinstance(value, str) else repr(value)


def _quoted(text: Any) -> str:
    return f'"{text}"'
