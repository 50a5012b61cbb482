"""A row and the rows that belong to it, inserted together.

PostgreSQL takes them in one statement, whose text is made once for their models. Columns and values come from the
models' fields, as Django's own come.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection
from django.db.models import AutoField, Field, Model
from django.db.models.signals import post_save, pre_save


def together(owner: Model, *owned: Sequence[Model]) -> bool:
    """Insert `owner`, which gets its key, and rows that belong to it; False, and nothing, where only Django can.

    `owned` are sequences, each of one or more rows of one model with one foreign key to the owner's. Their own keys,
    and what the database generates, are not read back.
    """
    models = [type(rows[0]) for rows in owned]
    if connection.vendor != "postgresql" or not all(map(is_plain, [type(owner), *models])):
        return False
    parameters = values(fields(type(owner)), owner)
    for model, rows in zip(models, owned, strict=True):
        parameters += map(list, zip(*(values(fields(model, but=type(owner)), row) for row in rows), strict=True))
    with connection.cursor() as cursor:
        cursor.execute(statement(type(owner), *models), parameters)
        (owner.pk,) = cursor.fetchone()
    owner._state.adding, owner._state.db = False, connection.alias
    return True


def is_plain(model: type[Model]) -> bool:
    """Whether to save a row is to insert it: no receiver of a signal is told, and no method is the model's own."""
    told = any(signal.has_listeners(model) for signal in (pre_save, post_save))
    columns = all(map(is_plain_column, model._meta.concrete_fields))
    if told or not columns or model._meta.parents or not isinstance(model._meta.pk, AutoField):
        return False
    return all(getattr(model, name) is getattr(Model, name) for name in ("save", "save_base"))


def is_plain_column(field: Field[Any, Any]) -> bool:
    """Whether its value is a parameter as it is, alone and among those of other rows."""
    own = field.has_db_default() or hasattr(field, "get_placeholder")
    return not own and not str(field.db_type(connection)).endswith("]")


@lru_cache
def statement(owner: type[Model], *owned: type[Model]) -> str:
    """Its parameters: the owner's values, then for each model and column an array of the rows' values."""
    key = connection.ops.quote_name(str(owner._meta.pk.column))
    marks = ", ".join(["%s"] * len(fields(owner)))
    parts = [f"owner AS ({into(owner, fields(owner))} VALUES ({marks}) RETURNING {key})"]
    for number, model in enumerate(owned):
        given = fields(model, but=owner)
        back = [field for field in fields(model) if field not in given]
        arrays = ", ".join(f"(%s)::{array(field)}" for field in given)
        rows = f"SELECT owner.{key}, given.* FROM owner, UNNEST({arrays}) AS given"  # noqa: S608 names of columns
        parts.append(f"owned{number} AS ({into(model, [*back, *given])} {rows})")
    return f"WITH {', '.join(parts)} SELECT {key} FROM owner"  # noqa: S608 as above


def into(model: type[Model], given: Iterable[Field[Any, Any]]) -> str:
    quote = connection.ops.quote_name
    return f"INSERT INTO {quote(model._meta.db_table)} ({', '.join(quote(str(field.column)) for field in given)})"


def array(field: Field[Any, Any]) -> str:
    """The type of the values of many rows; without a length, to which PostgreSQL would cut them in silence."""
    return f"{str(field.db_type(connection)).partition('(')[0]}[]"


@lru_cache
def fields(model: type[Model], but: type[Model] | None = None) -> tuple[Field[Any, Any], ...]:
    """What an INSERT of `model` gives values for: all but what the database makes, and the relation to `but`."""
    return tuple(
        field
        for field in model._meta.concrete_fields
        if not (field.primary_key or field.generated or (but and field.related_model is but))
    )


def values(given: Iterable[Field[Any, Any]], row: Model) -> list[Any]:
    return [field.get_db_prep_save(field.pre_save(row, add=True), connection) for field in given]
