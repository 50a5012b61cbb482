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
from time import perf_counter
from typing import TYPE_CHECKING, Any

from asgiref.sync import SyncToAsync
from django.apps import apps
from django.db import connections
from django.db.backends import utils
from django.db.backends.utils import CursorWrapper

from querybudget.causes import cause_of_query, latest
from querybudget.context import everywhere, listening
from querybudget.query import Query
from querybudget.shape import statement
from querybudget.threads import carrying_start, carrying_submit, locating_call

if TYPE_CHECKING:
    from querybudget.capture import Watch


class UnseenQueriesError(RuntimeError):
    """A watch could not see queries that it should have seen; the message names the database."""


COPIES = frozenset({"copy", "copy_expert", "copy_from", "copy_to", "stream"})
"""Driver methods that send a statement and that Django hands through unwrapped."""

_CALLED = 3
"""Frames to skip: `cause_of_query`, `_record` and the hook itself."""

Hook = Callable[..., Any]

_lock = threading.Lock()
_users = 0
_installed: dict[tuple[type, str], tuple[Any, Hook]] = {}
"""What a class had and what it has instead."""
_buried: set[Hook] = set()
"""Hooks that somebody patched on top of: they stay where they are, and must not count a second time."""
_MISSING = object()
_seen_engines: set[str] = set()


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
    return _is_ours(CursorWrapper)


def check_sight() -> None:
    """Raise `UnseenQueriesError` for a database whose cursors bypass the hook."""
    for alias, settings in connections.settings.items():
        if settings["ENGINE"] in _seen_engines:
            continue
        connection = connections[alias]
        for make in (connection.make_cursor, connection.make_debug_cursor):
            cursor = type(make(None))  # type: ignore[arg-type]
            if not _is_ours(cursor):
                raise UnseenQueriesError(
                    f"queries of database {alias!r} can't be seen: its cursors are "
                    f"{cursor.__module__}.{cursor.__qualname__}, which does not go through CursorWrapper._execute"
                )
        _seen_engines.add(settings["ENGINE"])


def _is_ours(cursor: type) -> bool:
    return getattr(cursor, "_execute", None) is _installed[CursorWrapper, "_execute"][1]


def _install() -> None:
    _replace(CursorWrapper, "_execute", _recording_execute)
    _replace(CursorWrapper, "_executemany", _recording_execute)
    _replace(CursorWrapper, "callproc", _recording_callproc)
    if apps.ready and getattr(CursorWrapper.execute, "__globals__", None) is vars(utils):  # and nobody's patch
        _replace(CursorWrapper, "execute", _counting_execute)
    for name in COPIES:
        _replace(CursorWrapper, name, _instead(property(_handed_through(name))))
    _replace(CursorWrapper, "__iter__", _instead(_iter))
    _replace(CursorWrapper, "fetchone", _instead(_fetchone))
    _replace(CursorWrapper, "fetchmany", _instead(_fetchmany))
    _replace(CursorWrapper, "fetchall", _instead(_fetchall))
    debug = getattr(sys.modules.get("django.db.backends.postgresql.base"), "CursorDebugWrapper", None)
    for name in COPIES & vars(debug or object).keys():
        _replace(debug, name, _recording_debug_copy)
    _replace(threading.Thread, "start", carrying_start)
    _replace(ThreadPoolExecutor, "submit", carrying_submit)
    _replace(SyncToAsync, "__call__", locating_call)


def _replace(owner: Any, name: str, hook_around: Callable[[Any], Hook]) -> None:
    original = vars(owner).get(name, _MISSING)
    hook = hook_around(original)
    _installed[owner, name] = (original, hook)
    setattr(owner, name, hook)


def _instead(hook: Any) -> Callable[[Any], Any]:
    return lambda original: hook


def _uninstall() -> None:
    _seen_engines.clear()
    for (owner, name), (original, hook) in _installed.items():
        if vars(owner).get(name) is not hook:
            _buried.add(hook)
            continue
        if original is _MISSING:
            delattr(owner, name)
        else:
            setattr(owner, name, original)
    _installed.clear()


def _counting_execute(original: Hook) -> Hook:
    """Where nothing but the number is wanted: the four functions that Django calls for a statement, in one.

    They are no longer in the processor's caches when a request makes its first query; so it takes no more time to count
    one than not to (measured). `original` leads to `_execute`, which is right for everything.
    """

    def execute(self: Any, sql: Any, params: Any = None) -> Any:
        watches = listening.get()
        if not watches or everywhere or type(self) is not CursorWrapper or self.db.execute_wrappers:
            return original(self, sql, params)
        for watch in watches:
            if watch.detail:
                return original(self, sql, params)
        start = perf_counter()
        try:
            self.db.validate_no_broken_transaction()
            with self.db.wrap_database_errors:
                return self.cursor.execute(sql) if params is None else self.cursor.execute(sql, params)
        finally:
            duration = perf_counter() - start
            if statement(sql if type(sql) is str else _text(sql, self)).kind != "control":
                for watch in watches:
                    if not watch.closed:
                        watch.count += 1
                        watch.seconds += duration

    return execute


def _recording_execute(original: Hook) -> Hook:
    def execute(self: Any, sql: Any, params: Any, *ignored: Any) -> Any:
        watches = listening.get()
        if (not watches and not everywhere) or execute in _buried:
            return original(self, sql, params, *ignored)
        start = perf_counter()
        try:
            return original(self, sql, params, *ignored)
        finally:
            _record(watches, self, sql, perf_counter() - start, params, bool(self.db.execute_wrappers))

    return execute


def _recording_callproc(original: Hook) -> Hook:
    def callproc(self: Any, procname: Any, *arguments: Any, **named: Any) -> Any:
        start = perf_counter()
        try:
            return original(self, procname, *arguments, **named)
        finally:
            _record(listening.get(), self, f"CALL {procname}", perf_counter() - start)

    return callproc


def _handed_through(name: str) -> Hook:
    """Gets a driver's method of `COPIES`, where Django finds it: in the cursor itself."""

    def method(self: Any) -> Hook:
        return _recording_copy(self, name, getattr(self.cursor, name))

    return method


def _recording_debug_copy(original: Hook) -> Hook:
    def copy(self: Any, *arguments: Any, **named: Any) -> Any:
        return _recording_copy(self, original.__name__, original.__get__(self))(*arguments, **named)

    return copy


def _recording_copy(cursor: Any, name: str, method: Hook) -> Hook:
    def copy(*arguments: Any, **named: Any) -> Any:
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

    return copy


def _record(
    watches: tuple[Watch, ...], cursor: Any, sql: Any, duration: float, params: Any = None, wrapped: bool = False
) -> None:
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
                cause = latest.cause = cause_of_query(_CALLED, past_wrappers=wrapped)
                query = Query(cursor.db.alias, text, parsed, duration, cause, params)
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
