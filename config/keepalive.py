"""Answers that end without closing the connection.

Waitress closes it after every answer without Content-Length: each 304, 204 and stream, and so a
client that revalidates connects anew for every request. None of these needs it (RFC 9112, 6.3): 304 and 204
have no body, a stream to HTTP/1.1 is chunked and says where it ends. An answer to HEAD has no body either,
whatever the application yields (RFC 9110, 9.3.2); waitress would send it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from waitress.task import WSGITask
from waitress.utilities import build_http_date

WRITTEN_HERE = ("content-length", "date")


@lru_cache(maxsize=4)
def date(seconds: int) -> str:
    return f"Date: {build_http_date(seconds)}"


class KeepAliveTask(WSGITask):
    """One request and its answer, on a connection that an HTTP/1.1 client may go on using."""

    writes_header = False
    wrote_header: bool
    content_length: int | None

    def build_response_header(self) -> bytes:
        if self.ends_by_itself:
            return self.short_header()
        self.writes_header = True
        header: bytes = super().build_response_header()
        self.writes_header = False
        if self.request.command.upper() == "HEAD":
            self.chunked_response = False  # else a last chunk would follow
        return header

    @property
    def ends_by_itself(self) -> bool:
        """Whether nothing needs to be said of how this answer ends, or the connection."""
        known = self.content_length is not None or not self.has_body
        asks = self.version == "1.1" and self.request.command == "GET" and "CONNECTION" not in self.request.headers
        return known and asks and not self.close_on_finish

    def short_header(self) -> bytes:
        """The header that waitress would write, in half the time: names are sent as the application spells them."""
        lines = [f"{name}: {value}" for name, value in self.response_headers if name.lower() not in WRITTEN_HERE]
        if self.has_body:
            lines.append(f"Content-Length: {self.content_length}")
        return "\r\n".join([f"HTTP/1.1 {self.status}", *lines, date(int(self.start_time)), "", ""]).encode("latin-1")

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
