"""A WSGI application of a few lines behind our server, as a process of its own: `python -m tests.config.plain`.

It prints the line with its port, and has as many workers as its argument says. `/pausing` goes on when a byte comes on
standard input.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import django

from config.drain import serve
from config.server import make_server, serve_with_workers
from config.sizing import Size, Threads
from config.workers import reserve

HEADERS = {
    "/304": ("304 Not Modified", [("ETag", '"1"')]),
    "/204": ("204 No Content", []),
    "/text": ("200 OK", [("Content-Length", "5")]),
}


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    start_response(*HEADERS.get(path, ("200 OK", [])))
    if path == "/text":
        return [b"hello"]
    if path == "/pid":
        return [str(os.getpid()).encode()]
    if path == "/stream":
        return iter([b"one ", b"two ", b"three"])
    if path == "/pausing":
        return pausing()
    if path == "/breaking":
        return breaking()
    return []


def pausing() -> Iterator[bytes]:
    yield b"first"
    os.read(sys.stdin.fileno(), 1)
    yield b"last"


def breaking() -> Iterator[bytes]:
    yield b"half"
    raise OSError("the source of this stream is gone")


def main(processes: int) -> int:
    django.setup()  # the server's own answers are the API's
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s", force=True)
    if processes > 1:
        return serve_with_workers(
            partial(make_server, application), Size(processes, Threads(2, "test")), reserve("127.0.0.1", 0)
        )
    server = make_server(application, threads=2, host="127.0.0.1", port=0)
    print(f"serving on 127.0.0.1:{server.effective_port}", flush=True)
    serve(server)
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
