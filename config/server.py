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
from types import SimpleNamespace
from typing import Any

import django
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from waitress import create_server
from waitress.task import ErrorTask

from config import env, sizing, workers
from config.affinity import keep_together
from config.channel import DirectChannel, only_where_needed
from config.drain import LastTask, serve
from config.keepalive import without_body_for_head
from config.warmup import warm_up

logger = logging.getLogger(__name__)

BODY_LIMIT = 10_000_000  # bytes; read into a temporary file before the application sees any


class ProblemTask(ErrorTask):
    """Refusals of waitress itself (bodies or headers too large, not HTTP) as problem documents."""

    def execute(self) -> None:
        from api.problems import MEDIA_TYPE, problem

        error = self.request.error
        request: Any = SimpleNamespace(path=getattr(self.request, "path", ""), id=str(uuid.uuid4()))
        code = error.reason.lower().replace(" ", "_")
        body = json.dumps(problem(request, error.code, code, str(error.body))).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers += [("Content-Type", MEDIA_TYPE), ("X-Request-Id", request.id)]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(DirectChannel):
    task_class = LastTask
    error_task_class = ProblemTask


def make_server(application: Any, threads: int, **address: Any) -> Any:
    """A waitress server that listens, not yet running. `send_bytes` stays at its default: each chunk leaves at once.

    `address` is `host` and `port`, or `sockets` that are bound already.
    """
    server = create_server(
        without_body_for_head(application),
        **address,
        threads=threads,
        ident="",
        max_request_body_size=BODY_LIMIT,
        channel_request_lookahead=1,  # a client that left is noticed before its request is run
        connection_limit=500,
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
    return server


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
            server = make_server(application, size.threads.count, host=host, port=port)
        else:
            sys.exit(serve_with_workers(application, size, workers.reserve(host, port)))
    except (ImproperlyConfigured, OSError) as problem:
        sys.exit(f"error: {problem}")
    with contextlib.suppress(KeyboardInterrupt):
        announce(size, server.effective_host, server.effective_port)
        keep_together()
        serve(server)


def serve_with_workers(application: Any, size: sizing.Size, held: socket.socket) -> int:
    def work(ready: workers.Ready, place: int) -> None:
        server = make_server(application, size.threads.count, sockets=[workers.listener(held)])
        ready()
        keep_together(place, size.processes)
        serve(server)

    return workers.supervise(work, size.processes, lambda: announce(size, *held.getsockname()[:2]))


def announce(size: sizing.Size, host: str, port: int) -> None:
    logger.info("%s, serving on %s:%s", size, host, port)


if __name__ == "__main__":
    main()
