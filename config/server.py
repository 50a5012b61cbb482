"""The web process: waitress, with every default that does not fit set here.

python -m config.server      serves on $PORT (8000)
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import SimpleNamespace
from typing import Any

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from waitress import create_server
from waitress.task import ErrorTask

from api.bulkhead import WAITED, Bulkhead
from config import env, sizing, workers
from config.affinity import keep_together
from config.channel import DirectChannel, only_where_needed
from config.drain import LastTask, serve
from config.keepalive import without_body_for_head
from config.lanes import BusyError, Lanes
from config.parking import PATIENT, Parking, unless_full
from config.parser import BODY_MOST, HEADER_MOST, MEMORY_MOST
from config.patience import CONNECTIONS_MOST, look_after, make_room
from config.warmup import warm_up

logger = logging.getLogger(__name__)

RETRY_AFTER = "5"


class ProblemTask(ErrorTask):
    """Refusals of the server itself (bodies or headers too large, not HTTP, too much to do) as problem documents."""

    def execute(self) -> None:
        from api.problems import MEDIA_TYPE, problem

        error = self.request.error
        request: Any = SimpleNamespace(path=getattr(self.request, "path", ""), id=str(uuid.uuid4()))
        code = getattr(error, "problem", error.reason.lower().replace(" ", "_"))
        body = json.dumps(problem(request, error.code, code, str(error.body))).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [("Content-Type", MEDIA_TYPE), ("X-Request-Id", request.id)]
        if isinstance(error, BusyError):
            self.response_headers.append(("Retry-After", RETRY_AFTER))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Task(LastTask):
    """Tells the application whether its request may wait, and that it has."""

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ[PATIENT] = self.channel.patient
        if self.channel.full:
            environ[WAITED] = self.channel.full
        return environ


class Channel(DirectChannel):
    task_class = Task
    error_task_class = ProblemTask


def make_server(
    application: Any,
    threads: int,
    *,
    kinds: Mapping[str, str] | None = None,
    bulkheads: Iterable[Bulkhead] = (),
    **address: Any,
) -> Any:
    """A waitress server that listens, not yet running. `send_bytes` stays at its default: each chunk leaves at once.

    `threads` are those of ordinary requests, `kinds` names paths that have some of their own, `bulkheads` what requests
    may wait for outside of them. `address` is `host` and `port`, or `sockets` that are bound already.
    """
    lanes = Lanes(threads, kinds or {})
    server = create_server(
        unless_full(without_body_for_head(application)),
        **address,
        _dispatcher=lanes,
        ident="",
        max_request_header_size=HEADER_MOST,
        max_request_body_size=BODY_MOST,
        inbuf_overflow=MEMORY_MOST,
        channel_request_lookahead=1,  # a client that left is noticed before its request is run
        connection_limit=2 * CONNECTIONS_MOST,  # `make_room` sees to it before
        cleanup_interval=1,
        asyncore_use_poll=True,  # select() ends at file descriptor 1024
        channel_timeout=120,  # the router keeps idle connections for 90 s
        clear_untrusted_proxy_headers=True,
        **(
            {
                "trusted_proxy": "*",
                "trusted_proxy_count": 1,
                "trusted_proxy_headers": "x-forwarded-for x-forwarded-proto x-forwarded-port",
            }
            if settings.BEHIND_ROUTER
            else {}
        ),
    )
    server.channel_class = Channel
    server.pull_trigger = only_where_needed(server.pull_trigger)
    server.draining = False
    server.parking = Parking(lanes.add_task)
    for bulkhead in bulkheads:
        server.parking.serve(bulkhead, max(1, threads // 2))
    server.maintenance = partial(maintain, server)
    server.handle_accept = partial(accept, server, server.handle_accept)
    return server


def maintain(server: Any, now: float) -> None:
    """What the main loop does once a second."""
    look_after(server, now)
    server.task_dispatcher.refuse_late()
    server.parking.run_late()


def accept(server: Any, take: Callable[[], None]) -> None:
    """Take all connections that knock, up to a hundred, where waitress takes one each turn of its loop."""
    for _ in range(100):
        make_room(server)
        before = len(server.active_channels)
        take()
        if len(server.active_channels) <= before:
            return


def make_service(application: Any, threads: int, **address: Any) -> Any:
    """The server of this service's application, which is loaded."""
    from api.routes import views
    from businesses.revisions import writers
    from config.health import Looking

    Looking.fresh_seconds = 1.0  # or whoever asks often makes work
    kinds = {path: view.lane for path, view in views() if hasattr(view, "lane")}
    return make_server(application, threads, kinds=kinds, bulkheads=[writers], **address)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    with tempfile.TemporaryDirectory(prefix="metrics-") as shared:
        os.environ.setdefault("PROMETHEUS_MULTIPROC_DIR", shared)  # where the counters of all workers add up
        run()


def run() -> None:
    try:
        django.setup()
        from config.checks import missing, remarks

        if names := missing():
            raise ImproperlyConfigured(f"not set: {', '.join(names)}")
        size = sizing.size()
        host, port = env.text("HOST", "0.0.0.0"), env.port("PORT", 8000)  # noqa: S104 a dyno's address is not known
        workers.bound(host, port, reuse=socket.SO_REUSEADDR).close()  # a port that is taken is named at once
        from config.wsgi import application

        warm_up()
        for remark in remarks():
            logger.warning("%s (%s)", remark.msg, remark.hint)
        if size.processes == 1:
            server = make_service(application, size.threads.count, host=host, port=port)
        else:
            make = partial(make_service, application)
            sys.exit(serve_with_workers(make, size, workers.reserve(host, port)))
    except (ImproperlyConfigured, OSError) as problem:
        sys.exit(f"error: {problem}")
    with contextlib.suppress(KeyboardInterrupt):
        announce(size, server.effective_host, server.effective_port)
        keep_together()
        serve(server)


def serve_with_workers(make: Callable[..., Any], size: sizing.Size, held: socket.socket) -> int:
    def work(ready: workers.Ready, place: int) -> None:
        server = make(size.threads.count, sockets=[workers.listener(held)])
        ready()
        keep_together(place, size.processes)
        serve(server)

    return workers.supervise(work, size.processes, lambda: announce(size, *held.getsockname()[:2]))


def announce(size: sizing.Size, host: str, port: int) -> None:
    logger.info("%s, serving on %s:%s", size, host, port)


if __name__ == "__main__":
    main()
