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

Relation = tuple[type[Model], str]


@dataclass(frozen=True, slots=True)
class Change:
    """An eager load that can be applied to the queryset of a fetch without touching the code.

    `kind`: "select_related", "prefetch_related", "column" (load what was deferred) or "matching" (a
    `Prefetch` of the rows that match a filter). `lookup`: the relations from the fetch's model on, or
    the column. `conditions`, `order`: of a "matching" prefetch. `text`: what to write.
    """

    kind: Literal["select_related", "prefetch_related", "column", "matching"]
    fetch: Fetch
    lookup: str
    text: str
    conditions: tuple[tuple[str, Any], ...] = ()
    order: tuple[str, ...] = ()

    @property
    def key(self) -> tuple[Any, ...]:
        """Equal for the same change in two runs of the same code."""
        return self.kind, self.fetch.model, str(self.fetch.location), self.lookup, self.conditions, self.order


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
    rows = f"{model}.objects.filter(pk__in=[…])" if model else "one statement"
    if cause.operation == "update":
        return Advice(f"{rows}.update(…)")
    if cause.operation == "delete":
        return Advice(f"{rows}.delete()")
    if cause.operation in ("get_or_create", "update_or_create"):
        ignore = "ignore_conflicts=True" if cause.operation == "get_or_create" else "update_conflicts=True, …"
        return Advice(f"{model}.objects.bulk_create([…], {ignore})")
    if cause.operation in ("add", "set") and cause.relation is not None:
        return Advice(f"{cause.relation[0].__name__}.{cause.relation[1]}.through.objects.bulk_create([…])")
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
        kind: Literal["select_related", "prefetch_related"] = "select_related" if joined else "prefetch_related"
        text = f'.{kind}("{lookup}")'
        return Advice(text, Change(kind, origin.fetch, lookup, text))
    related = related_model(model, name)
    conditions = list(conditions_of(cause.query, model, name)) if cause.query is not None else []
    known = all(condition is not None for condition in conditions)
    filters = tuple(condition for condition in conditions if condition is not None)
    if cause.operation in ("count", "exists", "aggregate") and known and not origin.path:
        return Advice(_annotation(cause, name, related, filters, model))
    plain = f'.prefetch_related("{lookup}")'
    order = tuple(one for one in getattr(cause.query, "order_by", ()) if one != "pk")
    if cause.query is None or (not filters and not order and known):
        whole = cause.operation == "all" and not _picks_columns(cause.query)
        return Advice(plain, Change("prefetch_related", origin.fetch, lookup, plain) if whole else None)
    if not known or related is None or not all(isinstance(one, str) for one in order):
        return Advice(f"{plain}, and filter in Python: .filter() on a relation asks the database again")
    text = _matching(lookup, name, related, filters, order)
    can_try = cause.operation in ("all", "first", "get") and not _picks_columns(cause.query)
    return Advice(text, Change("matching", origin.fetch, lookup, text, filters, order) if can_try else None)


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
    condition = f", filter=Q({_keywords(filters)})" if filters else ""
    if cause.operation == "count":
        return f'.annotate({name}_count=Count("{name}"{condition}))'
    if cause.operation == "aggregate":
        made = [
            f'{keyword}={type(value).__name__}("{name}__{_source(value)}"{condition})'
            for keyword, value in (cause.arguments or {}).items()
        ]
        return f".annotate({', '.join(made)})"
    back = back_name(model, name)
    also = f", {_keywords(filters)}" if filters else ""
    target = related.__name__ if related else "…"
    return f'.annotate(has_{name}=Exists({target}.objects.filter({back}=OuterRef("pk"){also})))'


def _source(expression: Any) -> str:
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
    skip = _relation_columns(model, name) if model is not None else frozenset()
    through = _through_table(model, name) if model is not None else None
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


def _relation_columns(model: type[Model], name: str) -> frozenset[Any]:
    relation = relation_of(model, name)
    if relation is None:
        return frozenset()
    if hasattr(relation, "object_id_field_name"):  # a generic relation: two columns lead back
        fields = relation.related_model._meta
        return frozenset(
            fields.get_field(one) for one in (relation.object_id_field_name, relation.content_type_field_name)
        )
    return frozenset({getattr(relation, "field", relation)})


def _through_table(model: type[Model], name: str) -> str | None:
    relation = relation_of(model, name)
    through = getattr(getattr(relation, "remote_field", relation), "through", None) or getattr(
        relation, "through", None
    )
    return through._meta.db_table if through is not None else None


def relation_of(model: type[Model], name: str) -> Any:
    """The field or reverse relation of `model` that is read as `name`; None for a plain attribute."""
    for one in [*model._meta.get_fields(include_hidden=True), *model._meta.private_fields]:
        accessor = one.get_accessor_name() if hasattr(one, "get_accessor_name") else one.name
        if accessor == name and one.is_relation:
            return one
    return None


def related_model(model: type[Model], name: str) -> type[Model] | None:
    relation = relation_of(model, name)
    return getattr(relation, "related_model", None)


def back_name(model: type[Model], name: str) -> str:
    """What the relation `model.name` is called from the other side."""
    relation = relation_of(model, name)
    field = getattr(relation, "field", None)
    return str(field.name if field is not None else relation.related_query_name())


def is_joinable(model: type[Model], path: tuple[str, ...]) -> bool:
    """Whether `select_related` can follow `path`: each relation leads to one row of one table."""
    for name in path:
        relation = relation_of(model, name)
        if relation is None or not (relation.many_to_one or relation.one_to_one) or relation.related_model is None:
            return False
        model = relation.related_model
    return True


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
