"""`?fields=` and `?expand=`: which parts of an answer a client wants.

`fields=id,lines.sku` keeps only those; `expand=office` puts a full object in place of a short one,
or adds one that is left out by default. Both are applied to the serializer before its queries are
derived, so what is left out is not fetched either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

MOST_PATHS = 100  # in one parameter

Expansions = dict[str, Callable[[], serializers.Field[Any, Any, Any, Any]]]


@dataclass(frozen=True, slots=True)
class Selection:
    """Dotted paths, sorted. No `fields` means the default ones."""

    fields: tuple[str, ...] = ()
    expand: tuple[str, ...] = ()


def from_request(request: Request) -> Selection:
    """Raises ValidationError for an empty or over-long list."""
    return Selection(paths(request, "fields"), paths(request, "expand"))


def paths(request: Request, name: str) -> tuple[str, ...]:
    given = request.query_params.get(name)
    if given is None:
        return ()
    found = [path.strip() for path in given.split(",")]
    if "" in found or len(found) > MOST_PATHS:
        raise ValidationError({name: [f"Must be 1 to {MOST_PATHS} names, separated by commas."]})
    return tuple(sorted(set(found)))


def apply(selection: Selection, serializer: serializers.BaseSerializer[Any]) -> None:
    """Expand and prune the fields of `serializer` in place.

    Raises:
        ValidationError: naming the path that the serializer does not have.
    """
    for path in selection.expand:
        expand(serializer, path)
    if selection.fields:
        prune(serializer, [path.split(".") for path in selection.fields])


def expand(serializer: serializers.BaseSerializer[Any], path: str) -> None:
    *parents, last = path.split(".")
    for parent in parents:
        serializer = nested(serializer, parent, "expand", path)
    shape = object_of(serializer)
    expansions = expandable(shape)
    if last not in expansions:
        known = ", ".join(sorted(expansions)) or "none here"
        raise ValidationError({"expand": [f"No such expansion: {path[:100]!r}. Known are: {known}."]})
    shape.fields[last] = expansions[last]()


def prune(serializer: serializers.BaseSerializer[Any], wanted: Iterable[list[str]], above: str = "") -> None:
    shape = object_of(serializer)
    below: dict[str, list[list[str]]] = {}
    for name, *rest in wanted:
        if name not in shape.fields or shape.fields[name].write_only:
            known = ", ".join(key for key, field in shape.fields.items() if not field.write_only)
            raise ValidationError({"fields": [f"No such field: {(above + name)[:100]!r}. Known are: {known}."]})
        below.setdefault(name, []).append(rest)
    for name in set(shape.fields) - set(below):
        del shape.fields[name]
    for name, rests in below.items():
        if all(rests):  # `lines,lines.sku` wants all of `lines`
            prune(nested(shape, name, "fields", f"{above}{name}.{rests[0][0]}"), rests, f"{above}{name}.")


def nested(
    serializer: serializers.BaseSerializer[Any], name: str, parameter: str, path: str
) -> serializers.BaseSerializer[Any]:
    field = object_of(serializer).fields.get(name)
    if not isinstance(field, serializers.BaseSerializer):
        raise ValidationError({parameter: [f"No such path: {path[:100]!r}; {name[:100]!r} has no parts."]})
    return field


def object_of(serializer: serializers.BaseSerializer[Any]) -> serializers.Serializer[Any]:
    """The serializer of one object: the child of a list's."""
    one: serializers.Serializer[Any] = getattr(serializer, "child", serializer)  # type: ignore[arg-type]
    return one


def expandable(serializer: serializers.Serializer[Any]) -> Expansions:
    expansions: Expansions = getattr(getattr(serializer, "Meta", None), "expandable", {})
    return expansions
