"""Who made a query: the operation, the relation, the instance's origin, the DRF path, the line.

All of it is read from the stack at the moment of the query, by the code objects of Django's and DRF's
own methods, so that no instance is wrapped and no manager replaced. What the stack does not show, which
relation a manager stands for, travels in the hints that Django hands from a manager to its querysets.
"""

from __future__ import annotations

import dis
import functools
import sys
import threading
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from types import CodeType, FrameType
from typing import Any

from django.db.models import Model
from django.db.models.fields.related_descriptors import ManyToManyDescriptor

from querybudget.frames import Location, Owner, location, owner_of
from querybudget.loops import SENT, Loop, suspended
from querybudget.origins import Origin, origin_of, origin_of_values
from querybudget.syntax import ALL_OF, INPUT, declaration, has_comprehension, loop_variables


class Cause:
    """Why a query was made.

    `location`: the innermost line of the application; that which declares the serializer's field where
    DRF itself reads the relation, and that of the template; else where the rows were fetched, or a library's.
    `operation`: the method of Django's that was called: "count", "get_or_create"; "lazy load" and
    "deferred column" for attributes; "" for a cursor's SQL. `relation`: the model and the name of the
    relation or column that was followed. `subject`: the model of what was saved, deleted or refreshed.
    `origin`: where the instance that it starts from came from.
    `query`: the `sql.Query` that was evaluated. `arguments`: the keywords the operation was given.
    `serializer`, `fields`: the outermost serializer, and the field names down to the one at work;
    `method`: "Class.get_x" if that one is a method field. `loop`: the rows that somebody goes through,
    a query in whose body this is; `inside`: the functions between it and the query, as code, line and
    module names, innermost first. `each_item`: DRF validates a list of items. `remembered`: Django
    keeps the answer, so that it will not ask again. `prefetched`: the rows of the relation are there
    already. `peers`: Django loads the relation of all siblings at once.
    """

    operation: str = ""
    relation: tuple[type[Model], str] | None = None
    subject: type[Model] | None = None
    origin: Origin | None = None
    query: Any = None
    arguments: dict[str, Any] | None = None
    serializer: str = ""
    fields: tuple[str, ...] = ()
    method: str = ""
    loop: Loop | Origin | None = None
    loop_line: tuple[CodeType, int] | None = None
    each_item: bool = False
    remembered: bool = False
    prefetched: bool = False
    peers: bool = False

    def __init__(self, location: Location | None = None) -> None:
        # What is not found stays the class's: a query has one of these, and most of it is empty.
        self.location = location
        self.inside: list[tuple[CodeType, int, dict[str, Any]]] = []

    @property
    def path(self) -> str:
        """The place in the response: "OrderSerializer.office.company", "UserSerializer.get_address"."""
        return self.method or ".".join(filter(None, [self.serializer, *self.fields]))


class _Role(Enum):
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
class _Operation:
    """A method of Django's that applications call. `relation`: it follows a relation of its `instance`."""

    name: str
    of: str = "queryset"


_QUERYSET = (
    "get first last earliest latest count exists contains aggregate in_bulk get_or_create update_or_create create "
    "bulk_create bulk_update update delete iterator"
)
_OPERATIONS: dict[str, _Role | _Operation] = {
    **{f"QuerySet.{name}": _Operation(name) for name in _QUERYSET.split()},
    "QuerySet._fetch_all": _Operation("all"),
    "QuerySet._iterator": _Operation("all"),
    "RawQuerySet._fetch_all": _Operation("raw"),
    "RawQuerySet.iterator": _Operation("raw"),
    **{f"Model.{name}": _Operation(name, "instance") for name in ("save", "delete", "refresh_from_db")},
    "ForwardManyToOneDescriptor.get_object": _Operation("lazy load", "descriptor"),
    "ReverseOneToOneDescriptor.__get__": _Operation("lazy load", "descriptor"),
    "ReverseOneToOneDescriptor.fetch_one": _Operation("lazy load", "descriptor"),
    "GenericForeignKey.__get__": _Operation("lazy load", "descriptor"),
    "GenericForeignKeyDescriptor.fetch_one": _Operation("lazy load", "descriptor"),
    "DeferredAttribute.__get__": _Operation("deferred column", "descriptor"),
    "DeferredAttribute.fetch_one": _Operation("deferred column", "descriptor"),
    "prefetch_related_objects": _Operation("prefetch", "rows"),
    "ContentTypeManager.get_for_id": _Role.REMEMBERS,
    "ContentTypeManager.get_for_model": _Role.REMEMBERS,
    "ContentTypeManager.get_for_models": _Role.REMEMBERS,
    "ContentTypeManager.get_by_natural_key": _Role.REMEMBERS,
}
_MANAGERS = {
    f"{factory}.<locals>.{manager}.{name}": _Operation(name, "manager")
    for factory, manager in (
        ("create_reverse_many_to_one_manager", "RelatedManager"),
        ("create_forward_many_to_many_manager", "ManyRelatedManager"),
        ("create_generic_related_manager", "GenericRelatedObjectManager"),
    )
    for name in ["add", "remove", "set", "clear", "create", "get_or_create", "update_or_create", "count", "exists"]
}
_DRF = {
    "Serializer.to_representation": _Role.SERIALIZER,
    "ListSerializer.to_representation": _Role.LIST,
    "ListSerializer.to_internal_value": _Role.ITEMS,
    "ListSerializer.create": _Role.ITEMS,
    "Serializer.to_internal_value": _Role.VALIDATES,
}
_HANDLERS = frozenset({"BaseHandler.get_response", "BaseHandler.get_response_async"})
_CACHE, _FOR_ITER = dis.opmap["CACHE"], dis.opmap["FOR_ITER"]
_IN_THREAD = "SyncToAsync.thread_handler"
_CALLS_WRAPPERS = "_execute_with_wrappers"

_OF_OWNER = {
    Owner.PLUMBING: _Role.PLUMBING,
    Owner.APPLICATION: _Role.APPLICATION,
    Owner.ENTRY: _Role.ENTRY,
}
_FREQUENT = _Role.PLUMBING, _Role.LIBRARY, _Role.APPLICATION
_roles: dict[int, _Role | _Operation] = {}
"""By the id of a code object, which is kept: to hash one costs more than all the rest."""
_kept: list[CodeType] = []

awaited: ContextVar[Cause | None] = ContextVar("querybudget_awaited", default=None)
"""What the stack says that awaits the function which `sync_to_async` runs in this context."""

latest = threading.local()
"""`cause`: that of the last query of this thread, for whoever makes instances of its rows."""


def cause_of_query(depth: int = 1, *, past_wrappers: bool = False) -> Cause:
    """The cause of the query that the caller is about to book.

    `depth` frames are skipped, and with `past_wrappers` also those of the functions that
    `connection.execute_wrapper` put around the statement: they see every query and cause none.
    """
    frame: FrameType | None = sys._getframe(depth)
    while past_wrappers and frame is not None:
        past_wrappers = frame.f_code.co_name != _CALLS_WRAPPERS
        frame = frame.f_back
    cause = Cause()
    loops = {loop.frame: loop for loop in suspended} if suspended else None
    operation: tuple[_Operation, FrameType] | None = None
    library: Location | None = None
    plumbing, library_code, application = _FREQUENT
    below = True  # still among the frames of Django's database layer
    serializers: list[tuple[Any, Any]] = []
    while frame is not None:
        code = frame.f_code
        role = _roles.get(id(code)) or _role(code)
        if role is plumbing:
            frame = frame.f_back
            continue
        if role is library_code:
            below = False
            if library is None:
                library = location(code.co_filename, frame.f_lineno, True)
        elif role.__class__ is _Operation:
            if below:
                operation = (role, frame)
        elif role is application:
            below = False
            if cause.location is None:
                cause.location = location(code.co_filename, frame.f_lineno)
            if cause.loop is None:
                if loops is None or id(frame) not in loops:
                    _look_for_rows(cause, frame)
                cause.inside.append((code, frame.f_lineno, frame.f_globals))
        elif role is _Role.SERIALIZER or role is _Role.VALIDATES:
            below = False
            names = frame.f_locals
            serializers.append((names["self"], names.get("field")))
            if cause.location is None and serializers[0][1] is not None:
                cause.location = _declared(type(serializers[0][0]), serializers[0][1].field_name)
            origin = origin_of(names.get("instance"))
            if cause.loop is None and origin is not None and origin.many:
                cause.loop = origin
        elif role is _Role.ENTRY:
            break
        elif role is _Role.BRIDGE:
            library = _continue_where_awaited(cause) or library
            break
        elif role is _Role.REMEMBERS:
            cause.remembered = True
        else:
            below = False
            if library is None:
                library = location(code.co_filename, frame.f_lineno, True)
            if role is _Role.ITEMS:
                cause.each_item = True
                cause.location = cause.location or _declared(type(frame.f_locals["self"].child), None)
            elif role is _Role.TEMPLATE:
                cause.location = cause.location or _line_of_template(frame.f_locals["self"])
            elif role is _Role.LIST and not serializers:
                cause.serializer = type(frame.f_locals["self"].child).__name__
            elif role is _Role.GUARD and cause.loop is None:
                cause.inside.append((code, frame.f_lineno, frame.f_globals))
        if loops is not None and cause.loop is None and (loop := loops.get(id(frame))) is not None and loop.many:
            cause.loop = loop
            cause.loop_line = (code, frame.f_lineno)
        frame = frame.f_back
    if serializers:
        _name_fields(cause, serializers)
    if operation is not None:
        _read_operation(cause, *operation)
    if cause.location is None:
        fetched = cause.origin.fetch.location if cause.origin is not None else None
        cause.location = library if fetched is None or fetched.library else fetched
    return cause


def _look_for_rows(cause: Cause, frame: FrameType) -> None:
    """Is this a round of a `for` over rows that a query of many rows made, or over what a client sent?"""
    code = frame.f_code
    names = loop_variables(code.co_filename, frame.f_lineno, _column(frame), own=code.co_name[0] == "<")
    if not names or _is_fetching(frame):
        return  # names still stand for the row before
    values = frame.f_locals
    for name in reversed(names):
        if name == INPUT:
            cause.loop = SENT
            cause.loop_line = (frame.f_code, frame.f_lineno)
            return
        row = values.get(name.removeprefix(ALL_OF))
        if name[0] == ALL_OF:
            row = row[0] if type(row) is list and row else None
        origin = origin_of(row) or origin_of_values(row)
        if origin is not None and origin.many:
            cause.loop = origin
            cause.loop_line = (frame.f_code, frame.f_lineno)
            return


def _is_fetching(frame: FrameType) -> bool:
    """Whether a `for` is at asking for its next row."""
    code, at = frame.f_code.co_code, frame.f_lasti
    while code[at] == _CACHE and at > 0:
        at -= 2
    return code[at] == _FOR_ITER


def _column(frame: FrameType) -> int | None:
    """Where in its line a function is; None where no comprehension makes that matter."""
    code = frame.f_code
    if not has_comprehension(code.co_filename, frame.f_lineno):
        return None
    return next(islice(code.co_positions(), frame.f_lasti // 2, None))[2]


def _continue_where_awaited(cause: Cause) -> Location | None:
    """The line of a library where the function is awaited, if no line of the application is known."""
    outer = awaited.get()
    if outer is None:
        return None
    library = outer.location if outer.location is not None and outer.location.library else None
    cause.location = cause.location or (None if library else outer.location)
    if cause.loop is None:
        cause.inside += outer.inside
        cause.loop, cause.loop_line = outer.loop, outer.loop_line
    return library


def _line_of_template(node: Any) -> Location | None:
    """Where a template's node is written; None for templates of libraries and those that are no file."""
    file = getattr(getattr(node, "origin", None), "name", None)
    if node.token is None or not file or owner_of(file) is not Owner.APPLICATION:
        return None
    return location(file, node.token.lineno)


def _declared(serializer: type, name: str | None) -> Location | None:
    place = declaration(serializer, name)
    return place and Location(*place)


def _name_fields(cause: Cause, serializers: list[tuple[Any, Any]]) -> None:
    cause.serializer = type(serializers[-1][0]).__name__
    cause.fields = tuple(one.field_name for _, one in reversed(serializers) if one is not None)
    innermost, at_work = serializers[0]
    method = getattr(at_work, "method_name", None)
    if method is not None:
        cause.method = f"{type(innermost).__name__}.{method}"


def _read_operation(cause: Cause, operation: _Operation, frame: FrameType) -> None:
    names = frame.f_locals
    subject: Any = names.get("self")
    instance: Any
    cause.operation = operation.name
    if operation.of == "rows":
        return
    if operation.of == "descriptor":
        instance = names["instance"]
        if instance is None:
            return
        cause.relation = (type(instance), _attribute_of(subject))
        cause.peers = getattr(getattr(instance._state, "fetch_mode", None), "track_peers", False)
    elif operation.of == "instance":
        instance = subject
        cause.subject = type(instance)
    elif operation.of == "manager":
        instance = subject.instance
        cause.subject = subject.model
        hints = getattr(subject, "_hints", None)
        if isinstance(hints, Hints):
            cause.relation = (type(instance), hints.accessor)
    else:
        subject = names.get("clone", subject)  # `get` asks the clone that it filtered
        instance, cause.relation = related_through(subject)
        cause.query = getattr(subject, "query", None)
        cause.arguments = names.get("kwargs") or {"fields": names.get("fields")}
    cause.origin = origin_of(instance)
    if cause.relation is not None:
        cause.prefetched = cause.relation[1] in getattr(instance, "_prefetched_objects_cache", ())


@functools.cache
def _attribute_of(descriptor: Any) -> str:
    related = getattr(descriptor, "related", None)
    if related is not None:
        return str(related.get_accessor_name())
    named = getattr(descriptor, "field", descriptor)  # before Django 6.1 a generic key is its own descriptor
    return str(named.name)


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


def related_through(queryset: Any) -> tuple[Any, tuple[type[Model], str] | None]:
    """The instance whose related manager made `queryset`, and the relation."""
    hints = getattr(queryset, "_hints", None)
    if isinstance(hints, Hints):
        return hints.source, (type(hints.source), hints.accessor)
    instance: Any = hints.get("instance") if hints else None
    for foreign_key in getattr(queryset, "_known_related_objects", ()):
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


def _role(code: CodeType) -> _Role | _Operation:
    _roles[id(code)] = role = _find_role(code)
    _kept.append(code)
    return role


def _find_role(code: CodeType) -> _Role | _Operation:
    owner = owner_of(code.co_filename)
    name = code.co_qualname
    if owner is Owner.PLUMBING:
        return _OPERATIONS.get(name) or _MANAGERS.get(name) or _Role.PLUMBING
    if owner is Owner.APPLICATION and not code.co_filename.endswith(".py"):
        return _Role.LIBRARY  # made of a template: its lines are no lines of the file
    if owner is Owner.BRIDGE:
        return _Role.BRIDGE if name == _IN_THREAD else _Role.PLUMBING
    if owner is Owner.LIBRARY:
        file = code.co_filename.replace("\\", "/")
        if name in _HANDLERS and "/django/core/handlers/" in file:
            return _Role.ENTRY
        if "/rest_framework/" in file:
            return _DRF.get(name, _Role.LIBRARY)
        if name == "Node.render_annotated" and "/django/template/" in file:
            return _Role.TEMPLATE
        return _Role.GUARD if "/django/" not in file or "/django/contrib/" in file else _Role.LIBRARY
    return _OF_OWNER[owner]
