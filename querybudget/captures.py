"""Captured requests, kept for a while in Django's cache, where every process of the project finds them.

The index is a ring: a counter gives each report the next of `MOST` places, so that two processes never
write the same list, and a report whose place is taken again goes.
"""

from __future__ import annotations

import json
import secrets
import zlib
from typing import Any, TypedDict

from django.conf import settings
from django.core.cache import BaseCache, caches

from querybudget.documents import Document

KEPT = 24 * 3600
"""Seconds that a report stays."""

MOST = 50
"""Reports that stay at a time."""

_NUMBER = "querybudget:captures"


class Summary(TypedDict):
    """A line of the list of captured requests. `number`: their order within a second."""

    id: str
    number: int
    made: str
    endpoint: str
    queries: int
    findings: int
    seconds: float
    status: int | None


def new_id() -> str:
    """A name for a report that nobody guesses."""
    return secrets.token_hex(8)


def keep(id: str, document: Document) -> None:
    """Keep the document of one request; the oldest goes when there are `MOST`."""
    cache = _cache()
    cache.set(_report(id), zlib.compress(json.dumps(document).encode()), KEPT)
    cache.add(_NUMBER, 0, None)
    number = cache.incr(_NUMBER) or 0  # None where a cache that is away fails in silence
    place = _place(number % MOST)
    before: Summary | None = cache.get(place)
    [one] = document["endpoints"]
    summary: Summary = {
        "id": id,
        "number": number,
        "made": document["made"],
        "endpoint": one["endpoint"],
        "queries": one["queries"] or 0,
        "findings": len(one["findings"]),
        "seconds": one["seconds"] or 0.0,
        "status": one["status"],
    }
    cache.set(place, summary, KEPT)
    if before:
        cache.delete(_report(before["id"]))


def kept(id: str) -> Document | None:
    """The document with this id; None if it is gone, or never was."""
    try:
        found: Document = json.loads(zlib.decompress(_cache().get(_report(id)) or b""))
    except (TypeError, ValueError, zlib.error):  # or what is there can't be read
        return None
    return found


def recent() -> list[Summary]:
    """What is kept, newest first."""
    found: dict[str, Any] = _cache().get_many([_place(number) for number in range(MOST)])
    readable = [one for one in found.values() if one]
    return sorted(readable, key=lambda one: (one["made"], one["number"]), reverse=True)


def _cache() -> BaseCache:
    return caches[getattr(settings, "QUERY_REPORT_CACHE", "default")]


def _report(id: str) -> str:
    return f"querybudget:capture:{id}"


def _place(number: int) -> str:
    return f"querybudget:captures:{number}"
