"""Which relation a manager stands for, which no stack shows: it travels in the hints that its querysets keep."""

from __future__ import annotations

import functools
from typing import Any

from django.db.models import Model
from django.db.models.fields.related_descriptors import ManyToManyDescriptor

from querybudget.relations import Relation


class Hints(dict[str, Any]):
    """A manager's hints for routers, which its querysets keep, with the relation that it stands for."""

    __slots__ = ("accessor", "source")

    def __init__(self, hints: dict[str, Any], source: Model, accessor: str) -> None:
        super().__init__(hints)
        self.source = source
        self.accessor = accessor

    def __bool__(self) -> bool:
        return True  # a queryset drops what is false

    def __reduce__(self) -> Any:
        return dict, (dict(self),)


def related_through(queryset: Any) -> tuple[Any, Relation | None]:
    """The instance whose related manager made `queryset`, and the relation."""
    hints = getattr(queryset, "_hints", None)
    if isinstance(hints, Hints):
        return hints.source, (type(hints.source), hints.accessor)
    for foreign_key, instances in getattr(queryset, "_known_related_objects", {}).items():
        if len(instances) != 1:
            break
        # Not the hints' instance: all that a `Prefetch` with a queryset has filled share the hints of the last one.
        instance: Any = next(iter(instances.values()))
        return instance, (type(instance), foreign_key.remote_field.get_accessor_name())
    return None, None


def hinting(original: Any) -> Any:
    """`ReverseManyToOneDescriptor.__get__`, which makes the managers of all relations to many."""

    def get(self: Any, instance: Any, cls: Any = None) -> Any:
        manager = original(self, instance, cls)
        if instance is not None:
            manager._hints = Hints(manager._hints, instance, _accessor(self))
        return manager

    return get


@functools.cache
def _accessor(descriptor: Any) -> str:
    if isinstance(descriptor, ManyToManyDescriptor):
        return str(descriptor.rel.get_accessor_name() if descriptor.reverse else descriptor.field.name)
    accessor = descriptor.rel.get_accessor_name()
    return str(descriptor.field.name if accessor.endswith("+") else accessor)
