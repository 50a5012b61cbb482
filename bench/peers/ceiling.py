"""No peer: waitress with nothing behind it. What is faster than this can't be measured with it.

`/empty` stands for a 304, after which waitress closes the connection (config/keepalive.py).
"""

from __future__ import annotations

BODY = b"x" * 50_000


def application(environ, start_response):
    body = b"" if environ["PATH_INFO"] == "/empty" else BODY
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
