"""Threads for each kind of request, so that none of them can take those of the others.

A view says by its attribute `lane` that it belongs to another kind than the ordinary: "stream" or "login".

Whoever waits for somebody else holds a thread: a stream for its reader, a write for a lock, a log-in for the hash of
its password. Streams and log-ins have few threads, which are theirs alone; writes leave one of the others free; and two
that wait for nothing answer what tells that the process lives, and what is refused.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from typing import Any

from waitress.task import ThreadedTaskDispatcher
from waitress.utilities import Error

WAIT_SECONDS = 10.0  # in a lane that is full, or for a place among a company's writers
PASSWORDS = {"login", "password", "user"}
SAFE = ("GET", "HEAD", "OPTIONS")
HEALTH = ("/healthz", "/readyz")
HEALTH_THREADS = 2
LOGIN_THREADS = 1  # a hash keeps a core busy for as long as 100 pages
STREAMS_MOST = 2
OTHER_CONNECTIONS = LOGIN_THREADS + STREAMS_MOST + 1  # to the database: one is for /readyz


class BusyError(Error):
    code = 503
    reason = "Service Unavailable"
    problem = "busy"


class Turns(deque[Any]):
    """A queue whose next task is the oldest that may run: at most `writers` writes do so at once."""

    def __init__(self, writers: int) -> None:
        super().__init__()
        self.writers = writers
        self.writing = 0
        self.writes: deque[Any] = deque()

    def __bool__(self) -> bool:
        return len(self) > 0 or bool(self.writes and self.writing < self.writers)

    def append(self, task: Any) -> None:
        (self.writes.append if type(task) is Write else super().append)(task)

    def popleft(self) -> Any:
        may_write = self.writes and self.writing < self.writers
        if may_write and not (len(self) and self[0].queued_at <= self.writes[0].queued_at):
            self.writing += 1
            return self.writes.popleft()
        return super().popleft()


class Write:
    """A task that may have to wait for a lock."""

    def __init__(self, channel: Any, lane: Lane) -> None:
        self.channel, self.lane, self.queued_at = channel, lane, channel.queued_at

    def service(self) -> None:
        try:
            self.channel.service()
        finally:
            with self.lane.lock:
                self.lane.queue.writing -= 1
                self.lane.queue_cv.notify()

    def cancel(self) -> None:
        self.channel.cancel()


class Lane(ThreadedTaskDispatcher):
    """Threads with a queue of their own."""

    lock: Any
    queue_cv: Any
    queue: Any

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.queue = Turns(max(1, threads - 1))
        self.set_thread_count(threads)

    def add_task(self, channel: Any) -> None:
        channel.queued_at = time.monotonic()
        is_write = getattr(channel.requests[0], "command", "GET") not in SAFE  # what could not be read has none
        super().add_task(Write(channel, self) if is_write else channel)

    def waited(self) -> list[Any]:
        """Take out the channels that have waited too long."""
        before = time.monotonic() - WAIT_SECONDS
        found = []
        with self.lock:
            for tasks in (self.queue, self.queue.writes):
                while len(tasks) and tasks[0].queued_at < before:
                    task = deque.popleft(tasks)
                    found.append(getattr(task, "channel", task))
        return found


class Lanes:
    """The task dispatcher of a server. `kinds`: of the paths that are not ordinary."""

    def __init__(self, threads: int, kinds: Mapping[str, str]) -> None:
        self.kinds = kinds
        self.health = Lane(HEALTH_THREADS)
        self.ordinary = Lane(threads)
        self.login = Lane(LOGIN_THREADS)
        self.stream = Lane(streams_of(threads))
        self.all = (self.health, self.ordinary, self.login, self.stream)

    def add_task(self, channel: Any) -> None:
        self.lane_of(channel.requests[0]).add_task(channel)

    def lane_of(self, request: Any) -> Lane:
        if request.error or request.path in HEALTH:
            return self.health
        kind = self.kinds.get(request.path)
        if kind == "stream":
            return self.stream
        if kind == "login" or (request.path.startswith("/admin/") and hashes_password(request)):
            return self.login
        return self.ordinary

    def refuse_late(self) -> None:
        """Answer those that waited too long for a narrow lane."""
        for lane in (self.login, self.stream):
            for channel in lane.waited():
                channel.requests[0].error = BusyError("Too many of these are under way. Try again shortly.")
                self.health.add_task(channel)

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> None:
        for lane in self.all:
            lane.shutdown(cancel_pending, timeout)


def streams_of(threads: int) -> int:
    """How many streams run beside `threads` other requests: fewer."""
    return max(1, min(STREAMS_MOST, threads - 1))


def hashes_password(request: Any) -> bool:
    """Whether it sends the admin's log-in, or one of its forms of a user."""
    return request.command == "POST" and not PASSWORDS.isdisjoint(request.path.replace("_", "/").split("/"))
