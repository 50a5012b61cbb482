"""Carry the watch to where the watched code's work is done: threads, pools, `sync_to_async`.

Only our own variable goes along. A thread does not inherit the other variables of the context that
starts it, and that must not change because somebody watches.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import MethodType
from typing import Any

from asgiref.sync import SyncToAsync

from querybudget.causes import awaited, cause_of_query
from querybudget.context import bound, carried_watches, listening


def carrying_start(original: Callable[..., Any]) -> Callable[..., Any]:
    """`Thread.start`: a thread that watched code starts is watched too."""

    def start(self: threading.Thread) -> None:
        watches = carried_watches()
        if watches:
            run = self.run

            def watched(self: threading.Thread) -> None:
                listening.set(watches)
                run()

            self.run = MethodType(watched, self)  # type: ignore[method-assign]  # as others that wrap it expect: a method
        original(self)

    return start


def carrying_submit(original: Callable[..., Any]) -> Callable[..., Any]:
    """`ThreadPoolExecutor.submit`: work belongs to who handed it over, not to who started the thread."""

    def submit(self: ThreadPoolExecutor, function: Callable[..., Any], /, *arguments: Any, **named: Any) -> Any:
        watches = carried_watches()

        def watched(*arguments: Any, **named: Any) -> Any:
            with bound(listening, watches):
                return function(*arguments, **named)

        return original(self, watched, *arguments, **named)

    return submit


def locating_call(original: Callable[..., Any]) -> Callable[..., Any]:
    """`SyncToAsync.__call__`: the awaiting line is on the stack here, and no more in the thread."""

    async def call(self: SyncToAsync[..., Any], *arguments: Any, **named: Any) -> Any:
        if not any(watch.detail for watch in listening.get()):
            return await original(self, *arguments, **named)
        with bound(awaited, cause_of_query(2)):
            return await original(self, *arguments, **named)

    return call
