"""Answers that end without closing the connection.

Waitress closes it after every answer without Content-Length: each 304, 204 and stream, and so a
client that revalidates connects anew for every request. None of these needs it (RFC 9112, 6.3): 304 and 204
have no body, a stream to HTTP/1.1 is chunked and says where it ends. An answer to HEAD has no body either,
whatever the application yields (RFC 9110, 9.3.2); waitress would send it.
"""

from __future__ import annotations

from typing import Any

from waitress.task import WSGITask


class KeepAliveTask(WSGITask):
    """One request and its answer, on a connection that an HTTP/1.1 client may go on using."""

    writes_header = False
    wrote_header: bool

    def build_response_header(self) -> bytes:
        self.writes_header = True
        header: bytes = super().build_response_header()
        self.writes_header = False
        if self.request.command.upper() == "HEAD":
            self.chunked_response = False  # else a last chunk would follow
        return header

    def write(self, data: bytes) -> None:
        """Header and body in one piece where the body is one."""
        if self.wrote_header or not self.complete or not self.has_body or len(data) != self.content_length:
            super().write(data)
            return
        header = self.build_response_header()
        self.wrote_header, self.content_bytes_written = True, len(data)
        self.channel.write_soon(header + data)

    def set_close_on_finish(self) -> None:
        """While the header is written waitress asks for this where it misses a length; HTTP/1.1 does not need one."""
        client_leaves = self.request.headers.get("CONNECTION", "").lower() == "close"
        if not self.writes_header or self.version == "1.0" or client_leaves:
            super().set_close_on_finish()


def without_body_for_head(application: Any) -> Any:
    """A WSGI application whose answers to HEAD are headers only, closed without being read."""

    def call(environ: dict[str, Any], start_response: Any) -> Any:
        body = application(environ, start_response)
        if environ["REQUEST_METHOD"] != "HEAD":
            return body
        if hasattr(body, "close"):
            body.close()
        return ()

    return call
