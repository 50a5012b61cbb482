"""The relations of models: what a name stands for, what it is called from the other side, where it can be joined."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

Relation = tuple[type[Model], str]
"""A model and the name of one of its relations."""


def relation_of(model: type[Model], name: str) -> Any:
    """The field or reverse relation of `model` that is read as `name`; None for a plain attribute."""
    for one in [*model._meta.get_fields(include_hidden=True), *model._meta.private_fields]:
        accessor = one.get_accessor_name() if hasattr(one, "get_accessor_name") else one.name
        if accessor == name and one.is_relation:
            return one
    return None


def related_model(model: type[Model], name: str) -> type[Model] | None:
    """The model that the relation `model.name` leads to; None where it may be any."""
    relation = relation_of(model, name)
    return getattr(relation, "related_model", None)


def query_name(model: type[Model], name: str) -> str:
    """What the relation `model.name` is called in a filter: "order" for `order_set`."""
    relation = relation_of(model, name)
    return str(relation.field.related_query_name() if hasattr(relation, "get_accessor_name") else name)


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


def columns_back(model: type[Model], name: str) -> frozenset[Any]:
    """The fields of the other side that lead back from the relation `model.name`."""
    relation = relation_of(model, name)
    if relation is None:
        return frozenset()
    if hasattr(relation, "object_id_field_name"):  # a generic relation: two columns lead back
        fields = relation.related_model._meta
        return frozenset(
            fields.get_field(one) for one in (relation.object_id_field_name, relation.content_type_field_name)
        )
    return frozenset({getattr(relation, "field", relation)})


def through_table(model: type[Model], name: str) -> str | None:
    """The table between the two sides of a relation of many to many."""
    relation = relation_of(model, name)
    through = getattr(getattr(relation, "remote_field", relation), "through", None) or getattr(
        relation, "through", None
    )
    return through._meta.db_table if through is not None else None
