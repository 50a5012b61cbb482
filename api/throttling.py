"""Request limits with atomic counters, shared by all processes through the cache.

DRF's own throttles read a list, change it and write it back: two requests at once count as one.
Here requests are increments of a fixed window's counter. With the cache away nothing is
limited: refusing everybody would turn a slow cache into an outage.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from dataclasses import dataclass
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.cache import cache
from django.utils.crypto import salted_hmac
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

from api.requests import inner

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports the throttles of the settings


BATCH_MOST = 10  # requests that are counted at once, and at most a hundredth of a limit
MOST_DRAWN = 10_000  # subjects and windows that have numbers left in this process

_drawn: dict[str, deque[int]] = {}
_drawing = threading.Lock()


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
    key = f"throttle:{policy}:{start}:{hidden(subject, settings.SECRET_KEY)}"
    batch = max(1, min(limit // 100, BATCH_MOST))
    return Quota(policy, limit, window, limit - number_of(key, window + 1, batch), reset)


def number_of(key: str, timeout: float, batch: int) -> int:
    """Which request this is of those that `key` counts, from 1; 0 where the cache is away.

    Numbers are drawn from the cache `batch` at a time and used by this process one after the other. So nobody gets
    more than the limit, and who uses several processes at most a batch less for each.
    """
    with _drawing:  # those that wait use what one draws
        drawn = _drawn.get(key)
        if not drawn:
            last = count(key, timeout, batch)
            if last is None:
                return 0
            if len(_drawn) >= MOST_DRAWN:
                _drawn.clear()
            drawn = _drawn[key] = deque(range(last - batch + 1, last + 1))
        number = drawn.popleft()
        if not drawn:
            del _drawn[key]
        return number


@lru_cache(maxsize=10_000)
def hidden(subject: str, secret: str) -> str:
    """Hashed: a subject can be a username or an address, and the cache's keys are seen by its operators."""
    return salted_hmac("api.throttling", subject, secret).hexdigest()[:32]


def count(key: str, timeout: float | None, number: int = 1) -> int | None:
    """Add to a counter, which starts at 0; None where the cache is away. One operation, but for its first time."""
    for _ in range(2):
        try:
            return cache.incr(key, number)
        except ValueError:
            cache.add(key, 0, timeout)
    return None  # evicted in between


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
