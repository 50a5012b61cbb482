"""Request limits with atomic counters, shared by all processes through the cache.

DRF's own throttles read a list, change it and write it back: two requests at once count as one.
Here requests are increments of a fixed window's counter. No limit is ever lifted: what a cache does not count (one
that is away, full, read only, or has forgotten) this process counts by itself, for its own requests.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING
from zlib import crc32

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from api.keyed import keyed
from api.requests import inner

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports the throttles of the settings

logger = logging.getLogger(__name__)

BATCH_MOST = 10  # requests that are counted at once, and at most a hundredth of a limit
MOST_SUBJECTS = 10_000  # of a policy and window that this process knows one by one; 300 bytes each
MOST_SHARED = 1024  # counters that all others share, where the cache does not count
RELAPSE_SECONDS = 10  # a failure so soon after the last one is the same outage


@dataclass(frozen=True, slots=True)
class Quota:
    """One policy's state after a request: how many are left, and in how many seconds it starts anew."""

    policy: str
    limit: int
    window: int
    remaining: int
    reset: int

    def headers(self) -> dict[str, str]:
        """Fields of the IETF draft draft-ietf-httpapi-ratelimit-headers."""
        return {
            "RateLimit-Policy": f'"{self.policy}";q={self.limit};w={self.window}',
            "RateLimit": f'"{self.policy}";r={max(self.remaining, 0)};t={self.reset}',
        }


def take(policy: str, subject: str) -> Quota:
    """Count one request of `subject` against `settings.THROTTLES[policy]`; negative `remaining` is too many."""
    limit, window = settings.THROTTLES[policy]
    now = time.time()
    start = int(now // window)
    reset = ceil((start + 1) * window - now)
    batch = max(1, min(limit // 100, BATCH_MOST))
    return Quota(
        policy, limit, window, limit - counts.number_of(policy, start, hidden(subject), window + 1, batch), reset
    )


@dataclass(slots=True)
class Window:
    """What this process has counted of a policy since `start`: of each subject the last number used, and drawn."""

    start: int
    numbers: dict[str, tuple[int, int]] = field(default_factory=dict)


class Counts:
    """Numbers of requests, from the cache or without it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._windows: dict[str, Window] = {}
        self._failed = float("-inf")
        self.here = False  # whether the cache did not count the last time

    def number_of(self, policy: str, start: int, subject: str, timeout: float, batch: int) -> int:
        """Which request of `subject` since `start` this is, from 1.

        Numbers are drawn from the cache `batch` at a time and used by this process one after the other. So nobody gets
        more than the limit, and who uses several processes at most a batch less for each. They only rise: a counter
        that is lost, or not to be had, goes on from the last one that is known here.
        """
        with self._lock:  # those that wait use what one draws
            window = self._windows.get(policy)
            if window is None or window.start < start:
                window = self._windows[policy] = Window(start)
            used, drawn = window.numbers.get(subject, (0, 0))
            if used == drawn:
                last = count(f"throttle:{policy}:{start}:{subject}", timeout, batch)
                self.tell(last is not None)
                if subject not in window.numbers and len(window.numbers) >= MOST_SUBJECTS:
                    if last is not None:
                        return last - batch + 1
                    subject = f"shared {crc32(subject.encode()) % MOST_SHARED}"
                    used, drawn = window.numbers.get(subject, (0, 0))
                if last is None or last - batch < drawn:
                    last = drawn + batch
                used, drawn = last - batch, last
            window.numbers[subject] = used + 1, drawn
            return used + 1

    def tell(self, is_counted: bool) -> None:
        """Log that the cache no longer counts, or does again: once for each outage."""
        if is_counted and self.here:
            logger.info("the cache counts requests again")
        elif not is_counted:
            if not self.here and time.monotonic() > self._failed + RELAPSE_SECONDS:
                logger.error("the cache is away, full or read only: each process counts its own requests")
            self._failed = time.monotonic()
        self.here = not is_counted

    def clear(self) -> None:
        self._windows.clear()
        self._failed, self.here = float("-inf"), False


counts = Counts()


def counts_here() -> bool:
    """Whether limits are counted in this process, as the cache does not."""
    return counts.here


def hidden(subject: str) -> str:
    """Hashed: a subject can be a username or an address, and the cache's keys are seen by its operators."""
    digest = keyed("api.throttling", size=16)
    digest.update(subject.encode())
    return digest.hexdigest()


def count(key: str, timeout: float | None, number: int = 1) -> int | None:
    """Add to a counter, which starts at 0; None where the cache does not. One operation, but for its first time."""
    for _ in range(2):
        try:
            found = cache.incr(key, number)
        except ValueError:
            cache.add(key, 0, timeout)
        except TypeError:  # django-redis has read it to add by itself, and there is none, or no number
            return None
        else:
            return found if type(found) is int else None
    return None  # refused, or evicted in between


class RequestThrottle(BaseThrottle):
    """The limit of every endpoint: per user, or per client address for the anonymous.

    The quota stays on the request for `api.views` to answer with `RateLimit` headers.
    """

    quota: Quota

    def allow_request(self, request: Request, view: APIView) -> bool:
        if request.user.is_authenticated:
            self.quota = take("user", str(request.user.pk))
        else:
            self.quota = take("anonymous", str(request.META.get("REMOTE_ADDR")))
        inner(request).quota = self.quota
        return self.quota.remaining >= 0

    def wait(self) -> float:
        return self.quota.reset
