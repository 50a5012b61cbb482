"""Freeing a thread from a PostgreSQL that has stopped answering.

A frozen server keeps its connections open, and its kernel answers TCP's probes, so whoever waits for
it waits for ever; a few such requests and no thread is left. One thread here looks after all others:
it shuts down the socket of a request that is overdue. libpq sees the connection end, the request's
thread gets an OperationalError and answers 503, and the connection is never used again.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from collections.abc import Iterable, Sequence
from typing import Any

import psycopg2.extensions
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5
GRACE_SECONDS = 1  # beyond a deadline, for a statement's own time-out to be heard first


class Connection(psycopg2.extensions.connection):
    """A connection that another thread may end.

    It has a duplicate of its socket's descriptor, so that what is shut down is this connection's even
    if it was closed in the meantime and its number given to another's.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wire = socket.socket(fileno=os.dup(self.fileno()))
        self.ended = False

    def end(self) -> None:
        """Let whoever waits for an answer see the end of the connection."""
        if not self.ended:
            self.ended = True
            logger.error("a request waited too long for PostgreSQL; its connection is closed")
            with contextlib.suppress(OSError):  # the other side has closed it already
                self.wire.shutdown(socket.SHUT_RDWR)


class Watchdog:
    """Knows which threads may wait for their databases, and how long."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watched: dict[object, tuple[float, Sequence[BaseDatabaseWrapper]]] = {}
        self._thread: threading.Thread | None = None

    def watching(self, seconds: float, *aliases: str) -> Watching:
        """A block in which this thread's connections to `aliases` (all, if none is named) end after `seconds`."""
        return Watching(self, seconds, aliases)

    def watch(self, seconds: float, databases: Sequence[BaseDatabaseWrapper]) -> object:
        """What `leave` takes; unless it is called in time the connections end."""
        watch = object()
        with self._lock:
            self._watched[watch] = time.monotonic() + seconds, databases
            if self._thread is None or not self._thread.is_alive():  # as in a forked process
                self._thread = threading.Thread(target=self._look, name="watchdog", daemon=True)
                self._thread.start()
        return watch

    def leave(self, watch: object) -> None:
        """Takes the lock under which connections are ended, so it is never the next request's that is."""
        with self._lock:
            del self._watched[watch]

    def _look(self) -> None:
        while True:
            time.sleep(TICK_SECONDS)
            self.end_overdue()

    def end_overdue(self) -> None:
        now = time.monotonic()
        with self._lock:
            for until, databases in self._watched.values():
                for database in databases:
                    if now > until and isinstance(database.connection, Connection):
                        database.connection.end()


class Watching:
    """`Watchdog.watching`'s block; a class, as a generator takes twice as long."""

    __slots__ = ("aliases", "dog", "seconds", "watch")

    def __init__(self, dog: Watchdog, seconds: float, aliases: Iterable[str]) -> None:
        self.dog, self.seconds, self.aliases = dog, seconds, aliases

    def __enter__(self) -> list[BaseDatabaseWrapper]:
        databases = [connections[alias] for alias in self.aliases or connections]
        self.watch = self.dog.watch(self.seconds, databases)
        return databases

    def __exit__(self, *_: object) -> None:
        self.dog.leave(self.watch)


watchdog = Watchdog()
