"""How much one user may take of what all share, in a window of time, as this process counts it."""

from __future__ import annotations

import threading
import time
from collections import Counter
from zlib import crc32

PLACES = 10_000  # users beyond so many share their allowances: the memory is bounded


class Allowance:
    """`most` bytes per user and window of so many `seconds`."""

    def __init__(self, most: int, seconds: int) -> None:
        self.most, self.seconds = most, seconds
        self._lock = threading.Lock()
        self._window = 0
        self._spent: Counter[int] = Counter()

    def spend(self, user: object, size: int) -> bool:
        """Whether `user` has so many bytes left, which are spent then."""
        window, place = int(time.time() // self.seconds), crc32(str(user).encode()) % PLACES
        with self._lock:
            if window != self._window:
                self._window = window
                self._spent.clear()
            if self._spent[place] + size > self.most:
                return False
            self._spent[place] += size
            return True

    def clear(self) -> None:
        self._spent.clear()
