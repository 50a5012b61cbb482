"""The one place where Django is patched: the cursor wrapper's class, while somebody watches.

A hook on the class sees every connection of every thread, those of async code included;
`connection.execute_wrapper` belongs to one connection of one thread and sees none of the queries
that an async client's view makes. `_execute` is the innermost method of the wrapper: a statement
that an `execute_wrapper` refuses never reaches a database and is not counted.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from time import perf_counter
from typing import TYPE_CHECKING, Any

from asgiref.sync import SyncToAsync
from django.db import connections
from django.db.backends.utils import CursorWrapper

from querybudget.frames import application_frame, awaited_from
from querybudget.query import Query
from querybudget.shape import statement

if TYPE_CHECKING:
    from querybudget.capture import Watch


class UnseenQueriesError(RuntimeError):
    """A watch could not see queries that it should have seen; the message names the database."""


listening: ContextVar[tuple[Watch, ...]] = ContextVar("querybudget_watches", default=())
"""The watches around this context, outermost first; some may be closed already."""

everywhere: list[Watch] = []
"""The open watches that see the whole process."""

COPIES = frozenset({"copy", "copy_expert", "copy_from", "copy_to", "stream"})
"""Driver methods that send a statement and that Django hands through unwrapped."""

_CALLED = 3
"""Frames to skip: `application_frame`, `_record` and the hook itself."""

_lock = threading.Lock()
_users = 0
_originals: list[tuple[type, str, Any]] = []
_MISSING = object()
_seen_backends: set[type] = set()


def acquire() -> None:
    """Patch, unless that is done already; each call wants one `release`."""
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _install()


def release() -> None:
    """Restore the classes when the last user has gone."""
    global _users
    with _lock:
        _users -= 1
        if _users == 0:
            _uninstall()


def in_place() -> bool:
    """Whether the cursor wrapper still has our hook."""
    return CursorWrapper._execute is _execute  # type: ignore[attr-defined]


def check_sight() -> None:
    """Raise `UnseenQueriesError` for a database whose cursors bypass the hook."""
    for alias in connections:
        connection = connections[alias]
        backend = type(connection)
        if backend in _seen_backends:
            continue
        for make in (connection.make_cursor, connection.make_debug_cursor):
            cursor = type(make(None))  # type: ignore[arg-type]
            if getattr(cursor, "_execute", None) is not _execute:
                raise UnseenQueriesError(
                    f"queries of database {alias!r} can't be seen: its cursors are "
                    f"{cursor.__module__}.{cursor.__qualname__}, which does not go through CursorWrapper._execute"
                )
        _seen_backends.add(backend)


def _install() -> None:
    for name, hook in _CURSOR_HOOKS.items():
        _replace(CursorWrapper, name, hook)
    postgresql = sys.modules.get("django.db.backends.postgresql.base")
    for name in COPIES & vars(getattr(postgresql, "CursorDebugWrapper", object)).keys():
        _replace(postgresql.CursorDebugWrapper, name, _debug_copy(name))  # type: ignore[union-attr]
    _replace(threading.Thread, "start", _start)
    _replace(ThreadPoolExecutor, "submit", _submit)
    _replace(SyncToAsync, "__call__", _sync_to_async)


def _replace(owner: type, name: str, hook: Any) -> None:
    _originals.append((owner, name, vars(owner).get(name, _MISSING)))
    setattr(owner, name, hook)
    _hooks_by_place[owner, name] = hook


def _uninstall() -> None:
    _seen_backends.clear()
    while _originals:
        owner, name, original = _originals.pop()
        if vars(owner).get(name) is not _hooks_by_place.pop((owner, name)):
            continue  # somebody patched on top of us: theirs stays, ours below it sees no watch
        if original is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, original)


_hooks_by_place: dict[tuple[type, str], Any] = {}

_original_execute = CursorWrapper._execute  # type: ignore[attr-defined]
_original_executemany = CursorWrapper._executemany  # type: ignore[attr-defined]
_original_callproc = CursorWrapper.callproc
_original_getattr = CursorWrapper.__getattr__
_original_start = threading.Thread.start
_original_submit = ThreadPoolExecutor.submit
_original_sync_to_async = SyncToAsync.__call__


def _execute(self: Any, sql: Any, params: Any, *ignored: Any) -> Any:
    watches = listening.get()
    if not watches and not everywhere:
        return _original_execute(self, sql, params, *ignored)
    start = perf_counter()
    try:
        return _original_execute(self, sql, params, *ignored)
    finally:
        _record(watches, self, sql, perf_counter() - start)


def _executemany(self: Any, sql: Any, param_list: Any, *ignored: Any) -> Any:
    watches = listening.get()
    if not watches and not everywhere:
        return _original_executemany(self, sql, param_list, *ignored)
    start = perf_counter()
    try:
        return _original_executemany(self, sql, param_list, *ignored)
    finally:
        _record(watches, self, sql, perf_counter() - start)


def _callproc(self: Any, procname: Any, *arguments: Any, **named: Any) -> Any:
    start = perf_counter()
    try:
        return _original_callproc(self, procname, *arguments, **named)
    finally:
        _record(listening.get(), self, f"CALL {procname}", perf_counter() - start)


def _getattr(self: Any, name: str) -> Any:
    attribute = _original_getattr(self, name)
    if name not in COPIES:
        return attribute

    def copy(*arguments: Any, **named: Any) -> Any:
        return _copied(self, name, attribute, arguments, named)

    return copy


def _debug_copy(name: str) -> Callable[..., Any]:
    postgresql = sys.modules["django.db.backends.postgresql.base"]
    original = vars(postgresql.CursorDebugWrapper)[name]

    def copy(self: Any, *arguments: Any, **named: Any) -> Any:
        return _copied(self, name, original.__get__(self), arguments, named)

    return copy


def _copied(
    cursor: Any, name: str, method: Callable[..., Any], arguments: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    if name == "copy_from":
        sql = f"COPY {arguments[1]} FROM STDIN"
    elif name == "copy_to":
        sql = f"COPY {arguments[1]} TO STDOUT"
    else:
        sql = arguments[0] if arguments else next(iter(named.values()))
    start = perf_counter()
    try:
        return method(*arguments, **named)
    finally:
        _record(listening.get(), cursor, sql, perf_counter() - start)


def _record(watches: tuple[Watch, ...], cursor: Any, sql: Any, duration: float) -> None:
    """Book a statement with every open watch: those around this context, and the process-wide ones."""
    text = sql if type(sql) is str else _text(sql, cursor)
    parsed = statement(text)
    query = None
    for watch in (*watches, *everywhere) if everywhere else watches:
        if watch.closed:
            continue
        if parsed.kind != "control":
            watch.count += 1
            watch.seconds += duration
        if watch.detail:
            if query is None:
                query = Query(cursor.db.alias, text, parsed, duration, application_frame(_CALLED))
                cursor.__dict__["_querybudget_query"] = query
            watch.queries.append(query)


def _text(sql: Any, cursor: Any) -> str:
    """The SQL of what is no string: bytes, or a composed statement of psycopg."""
    if isinstance(sql, bytes):
        return sql.decode(errors="replace")
    if hasattr(sql, "as_string"):
        return str(sql.as_string(cursor.cursor))
    return str(sql)


def _fetchone(self: Any, *arguments: Any, **named: Any) -> Any:
    with self.db.wrap_database_errors:
        row = self.cursor.fetchone(*arguments, **named)
    query = self.__dict__.get("_querybudget_query")
    if query is not None and row is not None:
        query.rows += 1
    return row


def _fetchmany(self: Any, *arguments: Any, **named: Any) -> Any:
    with self.db.wrap_database_errors:
        rows = self.cursor.fetchmany(*arguments, **named)
    query = self.__dict__.get("_querybudget_query")
    if query is not None:
        query.rows += len(rows)
    return rows


def _fetchall(self: Any, *arguments: Any, **named: Any) -> Any:
    with self.db.wrap_database_errors:
        rows = self.cursor.fetchall(*arguments, **named)
    query = self.__dict__.get("_querybudget_query")
    if query is not None:
        query.rows += len(rows)
    return rows


def _iter(self: Any) -> Iterator[Any]:
    query = self.__dict__.get("_querybudget_query")
    with self.db.wrap_database_errors:
        for row in self.cursor:
            if query is not None:
                query.rows += 1
            yield row


def _start(self: threading.Thread) -> None:
    """A thread started by watched code is watched too: it gets our variable, and none of the others."""
    watches = open_watches()
    if watches:
        run = self.run

        def watched() -> None:
            listening.set(watches)
            run()

        self.run = watched  # type: ignore[method-assign]
    _original_start(self)


def _submit(self: ThreadPoolExecutor, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
    """Work handed to a pool belongs to who handed it over, not to who started the pool's thread."""
    watches = open_watches()

    def watched(*arguments: Any, **named: Any) -> Any:
        token = listening.set(watches)
        try:
            return function(*arguments, **named)
        finally:
            listening.reset(token)

    return _original_submit(self, watched, *arguments, **named)


async def _sync_to_async(self: Any, *arguments: Any, **named: Any) -> Any:
    """The line that awaits is on the stack here, and no more in the thread where the query is made."""
    if not listening.get():
        return await _original_sync_to_async(self, *arguments, **named)
    token = awaited_from.set(application_frame(2) or awaited_from.get())
    try:
        return await _original_sync_to_async(self, *arguments, **named)
    finally:
        awaited_from.reset(token)


def open_watches() -> tuple[Watch, ...]:
    """The watches around this context that still see queries."""
    return tuple(watch for watch in listening.get() if not watch.closed)


_CURSOR_HOOKS: dict[str, Callable[..., Any]] = {
    "_execute": _execute,
    "_executemany": _executemany,
    "callproc": _callproc,
    "__getattr__": _getattr,
    "__iter__": _iter,
    "fetchone": _fetchone,
    "fetchmany": _fetchmany,
    "fetchall": _fetchall,
}
