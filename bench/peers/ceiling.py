"""No peer: waitress with nothing behind it. What is faster than this can't be measured with it."""

from __future__ import annotations

BODY = b"x" * 50_000


def application(environ, start_response):
    if "HTTP_IF_NONE_MATCH" in environ:
        start_response("304 Not Modified", [("ETag", '"x"'), ("Content-Length", "0")])
        return []
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))])
    return [BODY]
