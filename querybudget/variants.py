"""Answers of one endpoint that need a budget of their own: "GET /orders [304]", "GET /orders [hit]".

One budget for all answers of an endpoint holds none but the dearest: a kept page could lose its
cache unseen, and an expansion that is asked for would loosen the budget of all who don't ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase


@dataclass(frozen=True, slots=True)
class Variant:
    """What a request or its answer looks like; all that is not None must hold.

    `status`: of the answer. `header`: one of the answer's, "Name: pattern". `query`: a pattern for
    one "name=value" of the request's query string.
    """

    name: str
    status: int | None = None
    header: str | None = None
    query: str | None = None

    def matches(self, request: HttpRequest, response: HttpResponseBase | None) -> bool:
        """`response` is None if the handler raised: such a request is told by its query string alone."""
        if self.query is not None and not any(
            fnmatchcase(f"{name}={value}", self.query) for name, value in _parameters(request)
        ):
            return False
        if self.status is None and self.header is None:
            return True
        if response is None:
            return False
        if self.status is not None and response.status_code != self.status:
            return False
        return self.header is None or _has_header(response, self.header)


def _parameters(request: HttpRequest) -> list[tuple[str, str]]:
    """Name and value of each; `request.GET` refuses some query strings, whose requests are booked all the same."""
    return parse_qsl(request.META.get("QUERY_STRING", ""), keep_blank_values=True)


def _has_header(response: HttpResponseBase, pattern: str) -> bool:
    name, _, value = pattern.partition(":")
    given = response.headers.get(name.strip())
    return given is not None and fnmatchcase(given, value.strip())


def with_variant(endpoint: str, name: str) -> str:
    """The ledger's name of a variant; `plain` reverses it."""
    return f"{endpoint} [{name}]"


def plain(endpoint: str) -> str:
    """The endpoint without its variant: "GET /orders [304]" is "GET /orders"."""
    return endpoint.partition(" [")[0]
