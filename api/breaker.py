"""A circuit breaker under the Redis cache: a server that is away or frozen is left alone for a while.

Without it every operation on a frozen Redis waits for its timeout. Here the first failure opens the
breaker; until `PAUSE` seconds have passed, commands fail at once, and django-redis answers None for
them. Then one command is let through to try: it closes the breaker or opens it anew.
"""

from __future__ import annotations

import threading
import time
from typing import Any

from redis.connection import Connection, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

PAUSE = 2.0  # seconds


class Breaker:
    """Closed while commands succeed. One for each process: threads share what they learn."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._open_until = 0.0
        self._trying: int | None = None  # the thread that was let through

    def check(self) -> None:
        """Raise ConnectionError while open; let one thread through when the pause is over."""
        if not self.tripped or self._trying == threading.get_ident():
            return
        with self._lock:
            if time.monotonic() < self._open_until:
                raise RedisConnectionError("left alone after a failure")
            self._trying = threading.get_ident()
            self._open_until = time.monotonic() + PAUSE  # for the others, until this one knows

    @property
    def tripped(self) -> bool:
        return self._open_until > 0

    def opened(self) -> None:
        with self._lock:
            self._trying = None
            self._open_until = time.monotonic() + PAUSE

    def closed(self) -> None:
        self._trying, self._open_until = None, 0.0


breaker = Breaker()


class Breaking:
    """Mixed into a redis-py connection: asks the breaker before a command, tells it how it went."""

    def connect(self) -> None:
        breaker.check()
        self._told(super().connect)  # type: ignore[misc]

    def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        breaker.check()
        self._told(super().send_packed_command, *args, **kwargs)  # type: ignore[misc]

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        response = self._told(super().read_response, *args, **kwargs)  # type: ignore[misc]
        if breaker.tripped:
            breaker.closed()
        return response

    @staticmethod
    def _told(call: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return call(*args, **kwargs)
        except (RedisConnectionError, RedisTimeoutError, OSError):
            breaker.opened()
            raise


class BreakingConnection(Breaking, Connection):
    pass


class BreakingSSLConnection(Breaking, SSLConnection):
    pass
