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
from functools import partial
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
from querybudget.shape import counted, statement
from querybudget.threads import carrying_start, carrying_submit, locating_call

if TYPE_CHECKING:
    from querybudget.counting import Count


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
innermost: Hook | None = None
"""What `CursorWrapper._execute` has to be while somebody watches, or statements go unseen."""
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
    return getattr(cursor, "_execute", None) is innermost


def _install() -> None:
    global innermost
    ways = CursorWrapper.execute, CursorWrapper._execute  # type: ignore[attr-defined]
    untouched = apps.ready and all(getattr(way, "__globals__", None) is vars(utils) for way in ways)
    innermost = _replace(CursorWrapper, "_execute", partial(_executing, inside=True, runs=untouched))
    _replace(CursorWrapper, "_executemany", _recording_executemany)
    _replace(CursorWrapper, "callproc", _recording_callproc)
    if untouched:
        _replace(CursorWrapper, "execute", _executing)
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


def _replace(owner: Any, name: str, hook_around: Callable[[Any], Hook]) -> Hook:
    original = vars(owner).get(name, _MISSING)
    hook = hook_around(original)
    _installed[owner, name] = (original, hook)
    setattr(owner, name, hook)
    return hook


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


def _executing(original: Hook, *, inside: bool = False, runs: bool = True) -> Hook:
    """In place of `execute`, or `inside` of the wrappers of a connection, of `_execute`, which sees every statement.

    Where nothing but the number is wanted the statement is run here, as Django's four functions for it would; `runs` is
    False where one of them is somebody's patch.
    """

    def execute(self: Any, sql: Any, params: Any = None, *ignored: Any) -> Any:
        watches = listening.get()
        if (not watches and not everywhere) or execute in _buried:
            return original(self, sql, params, *ignored)
        detail = everywhere or type(self) is not CursorWrapper or (self.db.execute_wrappers if not inside else not runs)
        for watch in watches:
            detail = detail or watch.detail
        if detail and not inside:
            return original(self, sql, params)
        start = perf_counter()
        try:
            if detail:
                return original(self, sql, params, *ignored)
            if self.db.needs_rollback:
                self.db.validate_no_broken_transaction()
            return self.cursor.execute(sql) if params is None else self.cursor.execute(sql, params)
        except Exception:
            if detail:
                raise
            with self.db.wrap_database_errors:
                raise
        finally:
            duration = perf_counter() - start
            if detail:
                _record(watches, self, sql, duration, params, bool(self.db.execute_wrappers))
            elif (type(sql) is str and sql in counted) or statement(_text(sql, self)).kind != "control":
                for watch in watches:
                    if not watch.closed:
                        watch.count += 1
                        watch.seconds += duration

    return execute


def _recording_executemany(original: Hook) -> Hook:
    def executemany(self: Any, sql: Any, params: Any, *ignored: Any) -> Any:
        watches = listening.get()
        if (not watches and not everywhere) or executemany in _buried:
            return original(self, sql, params, *ignored)
        start = perf_counter()
        try:
            return original(self, sql, params, *ignored)
        finally:
            _record(watches, self, sql, perf_counter() - start, params, bool(self.db.execute_wrappers))

    return executemany


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
    watches: tuple[Count, ...], cursor: Any, sql: Any, duration: float, params: Any = None, wrapped: bool = False
) -> None:
    """Book a statement with every open watch: those around this context, and the process-wide ones."""
    counts = (type(sql) is str and sql in counted) or statement(_text(sql, cursor)).kind != "control"
    query = None
    for watch in (*watches, *everywhere) if everywhere else watches:
        if watch.closed:
            continue
        if counts:
            watch.count += 1
            watch.seconds += duration
        if watch.detail:
            if query is None:
                cause = latest.cause = cause_of_query(_CALLED, past_wrappers=wrapped)
                text = _text(sql, cursor)
                query = Query(cursor.db.alias, text, statement(text), duration, cause, params)
                cursor.__dict__["_querybudget_query"] = query
            watch.queries.append(query)


def _text(sql: Any, cursor: Any) -> str:
    """The SQL of a string, of bytes, or of a composed statement of psycopg."""
    if type(sql) is str:
        return sql
    if isinstance(sql, bytes):
        return sql.decode(errors="replace")
    if hasattr(sql, "as_string"):
        return str(sql.as_string(cursor.cursor))
    return str(sql)


def _fetchone(self: Any, *arguments: Any, **named: Any) -> Any:
    try:
        row = self.cursor.fetchone(*arguments, **named)
    except Exception:
        with self.db.wrap_database_errors:
            raise
    query = self.__dict__.get("_querybudget_query")
    if query is not None and row is not None:
        query.rows += 1
    return row


def _fetchmany(self: Any, *arguments: Any, **named: Any) -> Any:
    try:
        rows = self.cursor.fetchmany(*arguments, **named)
    except Exception:
        with self.db.wrap_database_errors:
            raise
    query = self.__dict__.get("_querybudget_query")
    if query is not None:
        query.rows += len(rows)
    return rows


def _fetchall(self: Any, *arguments: Any, **named: Any) -> Any:
    try:
        rows = self.cursor.fetchall(*arguments, **named)
    except Exception:
        with self.db.wrap_database_errors:
            raise
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
