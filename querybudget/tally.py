"""All requests of a run, summed up for each endpoint.

A tally is small whatever the number of requests, can be sent between processes as JSON, and comes
out the same in whatever order tests run and workers report.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from querybudget.ledger import Budget
from querybudget.observation import Observation

LOOP_SLOPE = 0.15
"""Queries a row from which on growth is a loop; below it is chunking (a batch of 10 has 0.1)."""


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """A request on the plane of rows and queries, and the test that made it."""

    rows: int
    queries: int
    test: str


@dataclass(frozen=True, slots=True)
class Growth:
    """Two requests with the same set of shapes of which the one with more rows made more queries."""

    few: Point
    many: Point

    @property
    def slope(self) -> float:
        """Queries per row."""
        return (self.many.queries - self.few.queries) / (self.many.rows - self.few.rows)


@dataclass(slots=True)
class EndpointTally:
    """What a run saw of one endpoint.

    `worst`: the most queries that count against the budget. `shapes`: every make-up of a request
    with that many, of which the ledger keeps one. `points`: for each set of shapes the requests with
    the fewest and the most rows. `loops`: N+1s by their cause, a line of text each. `dearest`: the
    document's fields about the worst request, where a report is wanted.
    """

    worst: int = -1
    worst_test: str = ""
    shapes: set[tuple[str, ...]] = field(default_factory=set)
    rows: int = 0
    tests: set[str] = field(default_factory=set)
    points: dict[str, tuple[Point, Point]] = field(default_factory=dict)
    loops: set[str] = field(default_factory=set)
    dearest: dict[str, Any] = field(default_factory=dict)

    def add(self, seen: Observation, budget: Budget | None) -> None:
        """Take in a request."""
        queries = seen.queries(budget)
        self._add_worst(queries, seen.test, {seen.shapes(budget)})
        self.rows = max(self.rows, seen.rows)
        self.tests.add(seen.test)
        point = Point(seen.rows, queries, seen.test)
        self._add_points("\n".join(sorted(seen.counts)), point, point)
        self.loops |= {f"{loop.what} … {loop.location}\n    → {loop.advice}" for loop in seen.loops(budget)}

    def merge(self, other: EndpointTally) -> None:
        """Take in another process's tally of the same endpoint."""
        if other.is_worse(self.worst, self.worst_test):
            self.dearest = other.dearest
        self._add_worst(other.worst, other.worst_test, other.shapes)
        self.rows = max(self.rows, other.rows)
        self.tests |= other.tests
        self.loops |= other.loops
        for key, (few, many) in other.points.items():
            self._add_points(key, few, many)

    def is_worse(self, worst: int, test: str) -> bool:
        """Whether the worst request here stands for both, when another one is the worst elsewhere."""
        return (-self.worst, self.worst_test) < (-worst, test)

    def growth(self) -> Growth | None:
        """The steepest growth with rows, if any is steep enough to be a loop."""
        grown = [Growth(few, many) for few, many in self.points.values() if many.rows > few.rows]
        steepest = max(grown, key=lambda growth: (growth.slope, growth.many, growth.few), default=None)
        return steepest if steepest and steepest.slope >= LOOP_SLOPE else None

    def _add_worst(self, queries: int, test: str, shapes: set[tuple[str, ...]]) -> None:
        if queries > self.worst:
            self.worst, self.worst_test, self.shapes = queries, test, set(shapes)
        elif queries == self.worst:
            self.worst_test = min(self.worst_test, test)
            self.shapes |= shapes

    def _add_points(self, key: str, few: Point, many: Point) -> None:
        # Of the tests with the fewest rows the dearest, of those with the most too: what differs
        # between two requests with equally many rows is not growth.
        points = {few, many, *self.points.get(key, ())}
        fewest = min(point.rows for point in points)
        self.points[key] = (max(point for point in points if point.rows == fewest), max(points))


@dataclass(slots=True)
class Tally:
    """What a run saw of all endpoints, by the names of the ledger."""

    endpoints: dict[str, EndpointTally] = field(default_factory=dict)

    def add(self, seen: Observation, budget: Budget | None) -> None:
        """Take in a request."""
        self.endpoints.setdefault(seen.endpoint, EndpointTally()).add(seen, budget)

    def touch(self, seen: Observation) -> None:
        """Take in that a test was there, and nothing else: it has a budget of its own."""
        self.endpoints.setdefault(seen.endpoint, EndpointTally()).tests.add(seen.test)

    def merge(self, other: Tally) -> None:
        """Take in another process's tally."""
        for name, tally in other.endpoints.items():
            self.endpoints.setdefault(name, EndpointTally()).merge(tally)

    def __iter__(self) -> Iterator[tuple[str, EndpointTally]]:
        return iter(sorted(self.endpoints.items()))

    def as_json(self) -> dict[str, Any]:
        """A form that survives JSON and xdist's own serialisation; `from_json` reverses it."""
        return {
            name: {
                "worst": tally.worst,
                "worst_test": tally.worst_test,
                "shapes": sorted(map(list, tally.shapes)),
                "rows": tally.rows,
                "tests": sorted(tally.tests),
                "loops": sorted(tally.loops),
                "dearest": tally.dearest,
                "points": {
                    key: [[point.rows, point.queries, point.test] for point in points]
                    for key, points in tally.points.items()
                },
            }
            for name, tally in self.endpoints.items()
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Tally:
        return cls(
            {
                name: EndpointTally(
                    worst=entry["worst"],
                    worst_test=entry["worst_test"],
                    shapes={tuple(shapes) for shapes in entry["shapes"]},
                    rows=entry["rows"],
                    tests=set(entry["tests"]),
                    loops=set(entry["loops"]),
                    dearest=entry["dearest"],
                    points={key: (Point(*few), Point(*many)) for key, (few, many) in entry["points"].items()},
                )
                for name, entry in data.items()
            }
        )
