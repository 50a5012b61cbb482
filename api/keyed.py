"""Digests that nobody can make, or guess what is behind them, without `SECRET_KEY`."""

from __future__ import annotations

import hashlib
from functools import lru_cache

from django.conf import settings


def keyed(purpose: str, *, size: int = 32) -> hashlib.blake2b:
    """A digest of `size` bytes, for `update`. `purpose`: at most 16 characters, different for each use."""
    return hashlib.blake2b(key=key_of(settings.SECRET_KEY), person=purpose.encode(), digest_size=size)


@lru_cache(maxsize=4)
def key_of(secret: str) -> bytes:
    return hashlib.sha512(secret.encode()).digest()
