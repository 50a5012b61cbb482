"""Waitress' main loop on epoll, which remembers what each connection waits for.

Waitress asks all connections on each turn, and nearly each request takes one: a microsecond for each client that is
connected (measured). Here a connection is asked when something has happened to it, and all of them once a second, for
what is decided elsewhere, as that one was idle for too long.
"""

from __future__ import annotations

import contextlib
import select
import time
from collections import deque
from typing import Any

from waitress import wasyncore

ALL_SECONDS = 1.0


class Loop:
    """The main loop of a waitress server, which gives out its turns. Linux only."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.epoll = select.epoll()
        self.waiting: dict[int, int] = {}  # for what, by descriptor, as epoll knows it
        self.changed: deque[int] = deque()  # descriptors, from any thread
        self.ask_all_at = 0.0

    def turn(self, seconds: float) -> None:
        """Wait for sockets, `seconds` at most, and do what they are ready for."""
        if time.monotonic() >= self.ask_all_at or self.server.draining:
            self.ask_all_at = time.monotonic() + ALL_SECONDS
            self.changed.extend(self.server._map)
        while self.changed:
            self.ask(self.changed.popleft())
        for descriptor, ready in self.epoll.poll(seconds):
            found = self.server._map.get(descriptor)
            if found is not None:
                wasyncore.readwrite(found, ready)  # poll's flags are epoll's
                self.ask(descriptor)

    def ask(self, descriptor: int) -> None:
        """Wait for what a connection, the listening socket or the trigger says that it waits for."""
        found, wanted = self.server._map.get(descriptor), 0
        if found is not None and found.readable():
            wanted |= select.EPOLLIN | select.EPOLLPRI
        if found is not None and found.writable() and not found.accepting:
            wanted |= select.EPOLLOUT
        known = self.waiting.get(descriptor, 0)
        if wanted == known:
            return
        if not wanted:
            self.forget(descriptor)
            with contextlib.suppress(OSError):  # closed, which ends it too
                self.epoll.unregister(descriptor)
            return
        self.waiting[descriptor] = wanted
        (self.epoll.modify if known else self.epoll.register)(descriptor, wanted)

    def forget(self, descriptor: int) -> None:
        """It is closed, and may soon be another's."""
        self.waiting.pop(descriptor, None)

    def wake(self, descriptor: int | None) -> None:
        """Have a connection asked, or all. From any thread, before the trigger is pulled."""
        if descriptor is None:
            self.ask_all_at = 0.0
        else:
            self.changed.append(descriptor)


class PlainLoop:
    """Waitress' own."""

    def __init__(self, server: Any) -> None:
        self.server = server

    def turn(self, seconds: float) -> None:
        self.server.asyncore.loop(timeout=seconds, use_poll=True, map=self.server._map, count=1)

    def forget(self, descriptor: int) -> None:
        pass

    wake = forget


def loop_of(server: Any) -> Loop | PlainLoop:
    return Loop(server) if hasattr(select, "epoll") else PlainLoop(server)
