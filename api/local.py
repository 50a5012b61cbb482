"""The cache of a process by itself, where there is no Redis."""

from __future__ import annotations

from typing import Any

from django.core.cache.backends.locmem import LocMemCache

BYTES_MOST = 8_000_000  # of all values


class BoundedCache(LocMemCache):
    """Django's, whose entries are also bounded in bytes: those go first that were used the longest ago."""

    _cache: Any  # the one used last is the first of it

    def _set(self, key: str, value: bytes, *timeout: Any) -> None:
        self._delete(key)  # type: ignore[attr-defined]
        held = sum(map(len, self._cache.values())) + len(value)  # 10 µs
        while held > BYTES_MOST and self._cache:
            oldest = next(reversed(self._cache))
            held -= len(self._cache[oldest])
            self._delete(oldest)  # type: ignore[attr-defined]
        if held <= BYTES_MOST:
            super()._set(key, value, *timeout)  # type: ignore[misc]
