"""A server that counts queries by turns, and tells what a request takes with counting and without.

    python -m bench.switched     as `python -m config.server`, on one process
    GET /-/switched              JSON, a list of pairs: milliseconds of processor time a request, counted and not

Two processes differ by more than counting costs, by where their memory happens to lie, and a machine's speed changes
from second to second. So one process takes turns of a few milliseconds. Without counting it has no hooks either, and
Django's chain has no middleware of querybudget.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import django

PATH = "/-/switched"
TURN_SECONDS = 0.02
SETTLED_SECONDS = 0.003  # after a switch
FEWEST = 4  # requests in a turn


class Switched:
    """Either of two applications, never both at once."""

    def __init__(self, counted: Any, plain: Any, switch: Callable[[bool], None]) -> None:
        self.applications, self.switch = {True: counted, False: plain}, switch
        self.counts, self.closed = True, False
        self.inside: list[None] = []
        self.answered = count()
        self.pairs: list[tuple[float, float]] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] == PATH:
            body = json.dumps(self.pairs).encode()
            self.pairs.clear()
            start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
            return [body]
        while self.closed:
            time.sleep(0.0005)
        self.inside.append(None)
        try:
            return self.applications[self.counts](environ, start_response)
        finally:
            self.inside.pop()
            next(self.answered)

    def take_turns(self) -> None:
        for number in count():
            order = (True, False) if number % 2 else (False, True)
            taken = {counts: self.turn(counts) for counts in order}
            counted, plain = taken[True], taken[False]
            if counted and plain:
                self.pairs.append((counted, plain))

    def turn(self, counts: bool) -> float | None:
        """Milliseconds a request; None where there are too few."""
        self.closed = True
        time.sleep(0.001)
        while self.inside:
            time.sleep(0.0005)
        if counts != self.counts:
            self.switch(counts)
        self.counts, self.closed = counts, False
        time.sleep(SETTLED_SECONDS)
        before, began = next(self.answered), time.process_time()
        time.sleep(TURN_SECONDS)
        answers, used = next(self.answered) - before - 1, time.process_time() - began
        return used / answers * 1000 if answers >= FEWEST else None


def main() -> None:
    django.setup()
    from django.conf import settings

    from config import server, wsgi
    from config.handler import Handler
    from fast.front import Front
    from querybudget import hooks

    users = hooks._users  # the middleware's: one in front of Django, one inside
    counted = wsgi.application
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if not name.startswith("querybudget.")]

    def switch(counts: bool) -> None:
        for _ in range(users):
            hooks.acquire() if counts else hooks.release()

    switched = Switched(counted, Front(Handler()), switch)
    wsgi.application = switched
    threading.Thread(target=switched.take_turns, daemon=True).start()
    server.main()


if __name__ == "__main__":
    main()
