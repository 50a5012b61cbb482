"""Django's handler, for requests whose text is UTF-8."""

from __future__ import annotations

from django.core.handlers.wsgi import WSGIHandler, WSGIRequest


class Utf8Request(WSGIRequest):
    """Reads every query and body as UTF-8.

    Django takes the charset of a Content-Type header for the query too, and fails on `charset=zlib`
    before any middleware or error page could answer.
    """

    @property
    def encoding(self) -> str:
        return "utf-8"

    @encoding.setter
    def encoding(self, claimed: str) -> None:
        pass


class Handler(WSGIHandler):
    request_class = Utf8Request
