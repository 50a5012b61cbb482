"""What each field of a response costs: queries and bytes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from querybudget.query import Query

MOST = 0.75
"""A field stands for the one around it when it holds this share of its queries and of its bytes."""


@dataclass(frozen=True, slots=True)
class FieldCost:
    """`path`: field names from the root serializer on, "placed_by.offices". `share`: of the body's bytes."""

    path: str
    queries: int
    share: float


def field_costs(queries: Iterable[Query], body: bytes) -> list[FieldCost]:
    """The cost of each field at which a query was made, dearest first; without bytes if `body` is no JSON."""
    counts: Counter[tuple[str, ...]] = Counter()
    for query in queries:
        fields = query.cause.fields
        counts.update(fields[:length] for length in range(1, len(fields) + 1))
    sizes = _sizes(body)
    whole = len(body) or 1
    costs = [FieldCost(".".join(fields), count, _size_of(fields, sizes) / whole) for fields, count in counts.items()]
    return sorted(costs, key=lambda cost: (-cost.queries, cost.path.count("."), cost.path))


def dearest(costs: list[FieldCost]) -> FieldCost | None:
    """The smallest field that holds most of what the dearest one costs."""
    found = costs[0] if costs else None
    while found is not None:
        inside = [cost for cost in costs if cost.path.rpartition(".")[0] == found.path]
        heavy = (cost for cost in inside if _holds_most(cost, found))
        smaller = next(heavy, None)
        if smaller is None:
            return found
        found = smaller
    return None


def _holds_most(cost: FieldCost, whole: FieldCost) -> bool:
    return cost.queries >= MOST * whole.queries and cost.share >= MOST * whole.share


def _sizes(body: bytes) -> Counter[tuple[str, ...]]:
    """Bytes under each path of keys; lists add none to the path."""
    sizes: Counter[tuple[str, ...]] = Counter()
    try:
        document = json.loads(body)
    except ValueError:
        return sizes

    def walk(value: Any, path: tuple[str, ...]) -> None:
        if isinstance(value, dict):
            for key, below in value.items():
                inner = (*path, key)
                sizes[inner] += len(json.dumps({key: below}, ensure_ascii=False, separators=(",", ":")).encode()) - 2
                walk(below, inner)
        elif isinstance(value, list):
            for below in value:
                walk(below, path)

    walk(document, ())
    return sizes


def _size_of(fields: tuple[str, ...], sizes: Counter[tuple[str, ...]]) -> int:
    """The serializer's root may lie below an envelope: ("results", "placed_by") is ("placed_by",)."""
    return max((size for path, size in sizes.items() if path[-len(fields) :] == fields), default=0)
