"""Does the number of queries grow with the number of rows?

    def test_orders_do_not_loop(db, client, query_growth):
        query_growth(make=lambda n: OrderFactory.create_batch(n), call=lambda: client.get("/api/orders"))

The code under test runs once at each size, on data that is rolled back afterwards. Queries are
compared by database and shape: a shape that is seen more often with more rows is a loop, unless the
growth is so flat that it is a batch.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.apps import apps
from django.db import connections, transaction
from django.test.testcases import DatabaseOperationForbidden  # type: ignore[attr-defined]

from querybudget.capture import watch
from querybudget.query import Query
from querybudget.tally import LOOP_SLOPE


class QueryGrowth(Protocol):
    """The type of the fixture `query_growth`."""

    def __call__(
        self, make: Callable[[int], object], call: Callable[[], object], sizes: Sequence[int] = (2, 8)
    ) -> dict[int, list[Query]]: ...


@dataclass(frozen=True, slots=True)
class GrownShape:
    """A shape that was seen `few` times at the smallest size and `many` times at the largest."""

    example: Query
    few: int
    many: int
    slope: float

    def __str__(self) -> str:
        return (
            f"  {self.slope:+.1f} query per row: {self.example.label} ({self.few} → {self.many})"
            f" … {self.example.location or '?'}\n      {self.example.shape}"
        )


def query_growth(
    make: Callable[[int], object], call: Callable[[], object], sizes: Sequence[int] = (2, 8)
) -> dict[int, list[Query]]:
    """Run `call` after `make(n)` for each size; the queries at each size.

    Args:
        make: creates n rows of whatever `call` lists. What it writes is rolled back, on every
            database that the test may use.
        call: the code under test, usually a request. It must do the same thing at each size.
        sizes: numbers of rows, at least two different ones; the smallest and the largest are compared.

    Raises:
        AssertionError: a shape grew by 0.15 queries a row or more; the message names each, with the
            slope and the line.
    """
    if len(set(sizes)) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes must be at least two different numbers from 1, not {sizes!r}")
    _warm_content_types()
    seen = {size: _queries_at(size, make, call) for size in sorted(set(sizes))}
    grown = grown_shapes(seen)
    if grown:
        few, many = min(seen), max(seen)
        head = f"queries grow with rows: {len(seen[few])} queries with {few} rows, {len(seen[many])} with {many}"
        raise AssertionError("\n".join([head, *map(str, grown)]))
    return seen


def grown_shapes(seen: dict[int, list[Query]]) -> list[GrownShape]:
    """The shapes that grew from the smallest to the largest size like a loop does, steepest first.

    Those of one label count together too: PostgreSQL's INSERT of one row has another shape than that of many.
    """
    few, many = min(seen), max(seen)
    labels = {size: Counter((query.alias, query.label) for query in seen[size]) for size in (few, many)}
    counts = {size: Counter((query.alias, query.shape) for query in seen[size]) for size in (few, many)}
    examples = {(query.alias, query.shape): query for query in reversed(seen[many])}
    grown = [
        GrownShape(example, counts[few][key], counts[many][key], (counts[many][key] - counts[few][key]) / (many - few))
        for key, example in examples.items()
        if labels[many][example.alias, example.label] - labels[few][example.alias, example.label]
        >= LOOP_SLOPE * (many - few)
    ]
    return sorted((shape for shape in grown if shape.slope >= LOOP_SLOPE), key=lambda shape: -shape.slope)


def _queries_at(size: int, make: Callable[[int], object], call: Callable[[], object]) -> list[Query]:
    with rolled_back():
        make(size)
        with watch() as seen:
            call()
        return seen.counted


@contextlib.contextmanager
def rolled_back() -> Iterator[None]:
    """Undo the block on every database that the running test may use."""
    with contextlib.ExitStack() as stack:
        opened = []
        for alias in connections:
            with contextlib.suppress(DatabaseOperationForbidden):
                stack.enter_context(transaction.atomic(using=alias))
                opened.append(alias)
        yield
        for alias in opened:
            transaction.set_rollback(True, using=alias)


def _warm_content_types() -> None:
    """Fill Django's cache of content types, or the first request alone would look them up."""
    if apps.is_installed("django.contrib.contenttypes"):
        from django.contrib.contenttypes.models import ContentType

        ContentType.objects.get_for_models(*apps.get_models())
