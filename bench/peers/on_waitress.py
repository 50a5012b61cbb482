"""Serve a peer as ours is served: waitress, as many threads, loaded objects out of the collector's sight.

    python -m bench.peers.on_waitress drf

DATABASE_URL and WEB_THREADS are read. Prints "serving on HOST:PORT" once it listens.
"""

from __future__ import annotations

import gc
import logging
import os
import sys
from importlib import import_module
from typing import Any

from waitress import create_server

DJANGO = ("drf", "ninja_orders")


def application(name: str) -> Any:
    if name not in DJANGO:
        return import_module(f"bench.peers.{name}").application
    os.environ |= {"DJANGO_SETTINGS_MODULE": "bench.peers.settings", "PEER_URLS": f"bench.peers.{name}"}
    from django.core.wsgi import get_wsgi_application

    return get_wsgi_application()


def main() -> None:
    threads = int(os.environ["WEB_THREADS"])
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # a line for each request that waits
    server = create_server(application(sys.argv[1]), host="127.0.0.1", port=0, threads=threads, ident="")
    gc.collect()
    gc.freeze()
    print(f"serving on 127.0.0.1:{server.effective_port}", flush=True)
    server.run()


if __name__ == "__main__":
    main()
