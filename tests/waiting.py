"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable


def eventually(holds: Callable[[], object], seconds: float = 20) -> bool:
    """Whether `holds()` becomes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


def early_in_a_minute(seconds: float = 5) -> None:
    """Return when the present minute, in which requests are counted, has so many seconds left."""
    left = 60 - time.time() % 60
    if left < seconds:
        time.sleep(left)
