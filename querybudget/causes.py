"""Who made a query: the operation, the relation, the instance's origin, the DRF path, the line.

All of it is read from the stack at the moment of the query, by the code objects of Django's and DRF's
own methods (`roles`), so that no instance is wrapped and no manager replaced. What the stack does not
show, which relation a manager stands for, comes from its `hints`.
"""

from __future__ import annotations

import dis
import functools
import sys
import threading
from contextvars import ContextVar
from itertools import islice
from types import CodeType, FrameType
from typing import Any

from django.db.models import Model

from querybudget.frames import Location, Owner, location, owner_of
from querybudget.hints import Hints, related_through
from querybudget.loops import SENT, Loop, suspended
from querybudget.origins import Origin, origin_of, origin_of_values
from querybudget.relations import Relation
from querybudget.roles import Operation, Role, known, role_of
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
    relation: Relation | None = None
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


_CACHE, _FOR_ITER = dis.opmap["CACHE"], dis.opmap["FOR_ITER"]
_CALLS_WRAPPERS = "_execute_with_wrappers"
_FREQUENT = Role.PLUMBING, Role.LIBRARY, Role.APPLICATION

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
    operation: tuple[Operation, FrameType] | None = None
    library: Location | None = None
    plumbing, library_code, application = _FREQUENT
    below = True  # still among the frames of Django's database layer
    serializers: list[tuple[Any, Any]] = []
    while frame is not None:
        code = frame.f_code
        role = known.get(id(code)) or role_of(code)
        if role is plumbing:
            frame = frame.f_back
            continue
        if role is library_code:
            below = False
            if library is None:
                library = location(code.co_filename, frame.f_lineno, True)
        elif role.__class__ is Operation:
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
        elif role is Role.SERIALIZER or role is Role.VALIDATES:
            below = False
            names = frame.f_locals
            serializers.append((names["self"], names.get("field")))
            if cause.location is None and serializers[0][1] is not None:
                cause.location = _declared(type(serializers[0][0]), serializers[0][1].field_name)
            origin = origin_of(names.get("instance"))
            if cause.loop is None and origin is not None and origin.many:
                cause.loop = origin
        elif role is Role.ENTRY:
            break
        elif role is Role.BRIDGE:
            library = _continue_where_awaited(cause) or library
            break
        elif role is Role.REMEMBERS:
            cause.remembered = True
        else:
            below = False
            if library is None:
                library = location(code.co_filename, frame.f_lineno, True)
            if role is Role.ITEMS:
                cause.each_item = True
                cause.location = cause.location or _declared(type(frame.f_locals["self"].child), None)
            elif role is Role.TEMPLATE:
                cause.location = cause.location or _line_of_template(frame.f_locals["self"])
            elif role is Role.LIST and not serializers:
                cause.serializer = type(frame.f_locals["self"].child).__name__
            elif role is Role.GUARD and cause.loop is None:
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


def _read_operation(cause: Cause, operation: Operation, frame: FrameType) -> None:
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
