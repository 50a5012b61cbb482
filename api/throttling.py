"""Request limits with atomic counters, shared by all processes through the cache.

DRF's own throttles read a list, change it and write it back: two requests at once count as one.
Here a request is one increment of a fixed window's counter. With the cache away nothing is
limited: refusing everybody would turn a slow cache into an outage.
"""

from __future__ import annotations

import time
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
    return Quota(policy, limit, window, limit - (count(key, window + 1) or 0), reset)


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
