"""Under which line of the ledger a request is booked.

That follows from what tells requests apart: method, route, and what variants look at. It is found out once for each.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import TYPE_CHECKING

from querybudget.endpoints import endpoint_of
from querybudget.traffic import Seen, traffic

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

    from querybudget.ledger import Ledger
    from querybudget.options import Options

MOST = 2000
"""Kinds of requests whose line is remembered, as a client may make methods and query strings up."""

LONGEST_QUERY = 200
"""Characters of a query string that is remembered."""


class Line:
    """What a request is held to and noted under: a line of the ledger, or what would be one.

    `endpoint`: its name, None where it is ignored. `limit`: of queries; infinite without a budget to hold it to.
    """

    __slots__ = ("endpoint", "limit", "note")

    def __init__(self, endpoint: str | None, ledger: Ledger) -> None:
        budget = endpoint and ledger.budgets.get(endpoint)
        self.endpoint = endpoint
        self.limit = budget.queries if budget and not budget.known else math.inf
        self.note = (traffic.seen(endpoint) if endpoint else Seen()).note


class Lines:
    """Those of one process; asked for by any thread. `known`: by what tells requests apart."""

    def __init__(self, options: Options, ledger: Ledger) -> None:
        self.options, self.ledger = options, ledger
        headers = [variant.header.partition(":")[0] for variant in options.variants if variant.header]
        self.headers = [header.strip().lower() for header in headers]
        self.by_query = any(variant.query for variant in options.variants)
        self.known: dict[Hashable, Line] = {}

    def of(self, request: HttpRequest, response: HttpResponseBase | None) -> Line:
        """The line of a request's endpoint, or of its variant. `response`: None if the handler raised."""
        match, query = request.resolver_match, self.by_query and request.META.get("QUERY_STRING")
        told: tuple[Hashable, ...] = request.method, match and match.route, query
        if response is not None:
            told = *told, response.status_code, *map(response.headers._store.get, self.headers)
        return self.known.get(told) or self.find(told, request, response)

    def find(self, told: Hashable, request: HttpRequest, response: HttpResponseBase | None) -> Line:
        """The same, known by `told` from now on."""
        endpoint = self.options.booked_as(endpoint_of(request))
        if endpoint:
            endpoint = self.options.variant_of(endpoint, request, response)
        line = Line(endpoint, self.ledger)
        length = len(request.META.get("QUERY_STRING", "")) if self.by_query else 0
        is_short = len(request.method or "") + length <= LONGEST_QUERY
        if request.resolver_match and is_short:
            if len(self.known) >= MOST:
                self.known.clear()
            self.known[told] = line
        return line
