"""A test run under budgets: which test is running, what its requests did, what they broke.

Knows nothing of the test framework; `plugin` and `runner` drive it.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from time import perf_counter
from typing import Any, Literal

from querybudget import requests
from querybudget.documents import detailed
from querybudget.endpoints import all_endpoints
from querybudget.findings import find
from querybudget.ledger import Ledger
from querybudget.observation import Observation
from querybudget.options import Options
from querybudget.plans import plan_of
from querybudget.proof import proof
from querybudget.requests import Measurement
from querybudget.tally import EndpointTally, Tally
from querybudget.variants import plain, with_variant
from querybudget.verdict import Violation, judge

Mode = Literal["check", "update"]

PATIENCE = 60.0
"""Seconds that the tests of a process may spend on making their requests again."""

METHOD_NOT_ALLOWED = 405
"""The answer of a route that has no such method: no endpoint answered, so nothing is booked."""


@dataclass(frozen=True, slots=True)
class Exemption:
    """A test's own budget for the endpoints that match a pattern; `queries` None means unlimited."""

    queries: int | None
    endpoint: str = "*"

    def covers(self, endpoint: str) -> bool:
        """Whether the pattern is for `endpoint`; one that names no variant is for them all."""
        return self.endpoint == endpoint or fnmatchcase(plain(endpoint), self.endpoint)


@dataclass(slots=True)
class Run:
    """The budgets of one process's tests. Requests may finish in any thread.

    `detailed`: keep the queries of the dearest requests, for a report. `late`: violations that no test
    could be failed for, because its call was over. `broken`: all others. `counts`: of the test that is
    running, queries and budget of the worst request to each endpoint.
    """

    ledger: Ledger
    options: Options
    mode: Mode
    detailed: bool = False
    tally: Tally = field(default_factory=Tally)
    late: dict[str, Violation] = field(default_factory=dict)
    broken: list[Violation] = field(default_factory=list)
    counts: dict[str, tuple[int, int | None]] = field(default_factory=dict)
    _test: str = ""
    _open: bool = False
    _spent: float = 0.0
    _exemptions: tuple[Exemption, ...] = ()
    _violations: dict[str, Violation] = field(default_factory=dict)
    _dearest: dict[str, Measurement] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self) -> None:
        """Measure every request from now on."""
        requests.start(self._finished)

    def stop(self) -> None:
        """The reverse of `start`."""
        requests.stop(self._finished)

    def begin(self, test: str, exemptions: tuple[Exemption, ...] = ()) -> None:
        """Requests belong to `test` from now on."""
        with self._lock:
            self._test, self._exemptions, self._open = test, exemptions, True
            self._violations = {}
            self.counts = {}

    def end(self) -> list[Violation]:
        """Close bodies that the test left open; what its requests broke, an endpoint once, with the proof of a fix."""
        for measurement in tuple(requests.unfinished):
            measurement.finish()
        with self._lock:
            self._open = False
            violations = [violation for _, violation in sorted(self._violations.items())]
            dearest, self._dearest = self._dearest, {}
        for endpoint, measurement in dearest.items():
            self.tally.endpoints[endpoint].dearest = _fields(measurement)
        proved = [replace(one, proved=tuple(self._proof(one)), request=None) for one in violations]
        self.broken += proved
        return proved

    def _proof(self, violation: Violation) -> list[str]:
        if self._spent > PATIENCE:
            return [f"Not proven: this run has spent {PATIENCE:.0f} s on proofs."]
        began = perf_counter()
        try:
            return proof(violation.request, violation.queries)
        finally:
            self._spent += perf_counter() - began

    def routes(self) -> set[str]:
        """The URLconf's endpoints under the names of the ledger, without those it ignores."""
        return set(filter(None, map(self._route, all_endpoints())))

    def entries(self) -> set[str]:
        """The names that the ledger may have: each of the routes, and each of its variants."""
        routes = self.routes()
        return routes | {with_variant(route, one.name) for route in routes for one in self.options.variants}

    def _route(self, endpoint: str) -> str | None:
        if not endpoint.startswith("* "):
            return self.options.booked_as(endpoint)
        # A function does not say its methods; patterns are tried with the one it is sure to have.
        read = f"GET {endpoint[2:]}"
        booked = self.options.booked_as(read)
        return endpoint if booked == read else booked

    def _finished(self, measurement: Measurement) -> None:
        if measurement.response is not None and measurement.response.status_code == METHOD_NOT_ALLOWED:
            return
        endpoint = self.options.booked_as(measurement.endpoint)
        if endpoint is None:
            return
        endpoint = self.options.variant_of(endpoint, measurement.request, measurement.response)
        with self._lock:
            seen = Observation.of(endpoint, self._test, measurement.watch.queries, measurement.watch.notes)
            self._book(seen, measurement)

    def _book(self, seen: Observation, measurement: Measurement) -> None:
        exemption = next((one for one in self._exemptions if one.covers(seen.endpoint)), None)
        budget = self.ledger.budgets.get(seen.endpoint)
        if exemption is not None:
            limit, queries = exemption.queries, sum(seen.counts.values())
            self.tally.touch(seen)
            violation = None if exemption.queries is None else judge(seen, self.ledger, exemption.queries)
        else:
            limit, queries = budget.queries if budget else None, seen.queries(budget)
            before = self.tally.endpoints.get(seen.endpoint, EndpointTally())
            if self.detailed and not before.is_worse(queries, seen.test):
                self._dearest[seen.endpoint] = measurement
            self.tally.add(seen, budget)
            violation = self._judge(seen) if self.mode == "check" else None
        if queries >= self.counts.get(seen.endpoint, (0, None))[0]:
            self.counts[seen.endpoint] = queries, limit
        if violation is None:
            return
        violations = self._violations if self._open else self.late
        worst = violations.get(seen.endpoint)
        if worst is None or violation.excess > worst.excess:
            endless = getattr(measurement.response, "streaming", False) and not measurement.exhausted  # perhaps
            violations[seen.endpoint] = replace(violation, request=None if endless else measurement.request)

    def _judge(self, seen: Observation) -> Violation | None:
        return judge(seen, self.ledger, loops_fail=self.options.loops_fail)


def _fields(measurement: Measurement) -> dict[str, Any]:
    """What the report says of a request. Its plans need the database as the test left it."""
    queries, response = measurement.watch.queries, measurement.response
    body: bytes = getattr(response, "content", b"")
    detail = detailed(queries, find(queries), body, plan=plan_of)
    return {**detail, "status": response.status_code if response else 500, "bytes": len(body) or None}
