"""What a function on the stack is: Django's plumbing, one of its operations, DRF's serializers, the application.

Told once for each code object, by its name and by whose file it is in.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from types import CodeType

from querybudget.frames import Owner, owner_of


class Role(Enum):
    """What a function does on the way from the application to a query."""

    PLUMBING = "plumbing"
    APPLICATION = "application"
    LIBRARY = "library"
    GUARD = "guard"  # a library whose code may remember answers
    ENTRY = "entry"
    BRIDGE = "bridge"
    SERIALIZER = "serializer"
    LIST = "list"
    ITEMS = "items"
    REMEMBERS = "remembers"
    VALIDATES = "validates"
    TEMPLATE = "template"


@dataclass(frozen=True, slots=True)
class Operation:
    """A method of Django's that applications call. `relation`: it follows a relation of its `instance`."""

    name: str
    of: str = "queryset"


_QUERYSET = (
    "get first last earliest latest count exists contains aggregate in_bulk get_or_create update_or_create create "
    "bulk_create bulk_update update delete iterator"
)
_OPERATIONS: dict[str, Role | Operation] = {
    **{f"QuerySet.{name}": Operation(name) for name in _QUERYSET.split()},
    "QuerySet._fetch_all": Operation("all"),
    "QuerySet._iterator": Operation("all"),
    "RawQuerySet._fetch_all": Operation("raw"),
    "RawQuerySet.iterator": Operation("raw"),
    **{f"Model.{name}": Operation(name, "instance") for name in ("save", "delete", "refresh_from_db")},
    "ForwardManyToOneDescriptor.get_object": Operation("lazy load", "descriptor"),
    "ReverseOneToOneDescriptor.__get__": Operation("lazy load", "descriptor"),
    "ReverseOneToOneDescriptor.fetch_one": Operation("lazy load", "descriptor"),
    "GenericForeignKey.__get__": Operation("lazy load", "descriptor"),
    "GenericForeignKeyDescriptor.fetch_one": Operation("lazy load", "descriptor"),
    "DeferredAttribute.__get__": Operation("deferred column", "descriptor"),
    "DeferredAttribute.fetch_one": Operation("deferred column", "descriptor"),
    "prefetch_related_objects": Operation("prefetch", "rows"),
    "ContentTypeManager.get_for_id": Role.REMEMBERS,
    "ContentTypeManager.get_for_model": Role.REMEMBERS,
    "ContentTypeManager.get_for_models": Role.REMEMBERS,
    "ContentTypeManager.get_by_natural_key": Role.REMEMBERS,
}
_MANAGERS = {
    f"{factory}.<locals>.{manager}.{name}": Operation(name, "manager")
    for factory, manager in (
        ("create_reverse_many_to_one_manager", "RelatedManager"),
        ("create_forward_many_to_many_manager", "ManyRelatedManager"),
        ("create_generic_related_manager", "GenericRelatedObjectManager"),
    )
    for name in ["add", "remove", "set", "clear", "create", "get_or_create", "update_or_create", "count", "exists"]
}
_DRF = {
    "Serializer.to_representation": Role.SERIALIZER,
    "ListSerializer.to_representation": Role.LIST,
    "ListSerializer.to_internal_value": Role.ITEMS,
    "ListSerializer.create": Role.ITEMS,
    "Serializer.to_internal_value": Role.VALIDATES,
}
_HANDLERS = frozenset({"BaseHandler.get_response", "BaseHandler.get_response_async"})
_IN_THREAD = "SyncToAsync.thread_handler"

_OF_OWNER = {
    Owner.PLUMBING: Role.PLUMBING,
    Owner.APPLICATION: Role.APPLICATION,
    Owner.ENTRY: Role.ENTRY,
}
known: dict[int, Role | Operation] = {}
"""Roles by the id of a code object, which is kept: to hash one costs more than all the rest."""
_kept: list[CodeType] = []


def role_of(code: CodeType) -> Role | Operation:
    """Find the role of a code object that is not `known` yet."""
    known[id(code)] = role = _find_role(code)
    _kept.append(code)
    return role


def _find_role(code: CodeType) -> Role | Operation:
    owner = owner_of(code.co_filename)
    name = code.co_qualname
    if owner is Owner.PLUMBING:
        return _OPERATIONS.get(name) or _MANAGERS.get(name) or Role.PLUMBING
    if owner is Owner.APPLICATION and not code.co_filename.endswith(".py"):
        return Role.LIBRARY  # made of a template: its lines are no lines of the file
    if owner is Owner.BRIDGE:
        return Role.BRIDGE if name == _IN_THREAD else Role.PLUMBING
    if owner is Owner.LIBRARY:
        file = code.co_filename.replace("\\", "/")
        if name in _HANDLERS and "/django/core/handlers/" in file:
            return Role.ENTRY
        if "/rest_framework/" in file:
            return _DRF.get(name, Role.LIBRARY)
        if name == "Node.render_annotated" and "/django/template/" in file:
            return Role.TEMPLATE
        return Role.GUARD if "/django/" not in file or "/django/contrib/" in file else Role.LIBRARY
    return _OF_OWNER[owner]
