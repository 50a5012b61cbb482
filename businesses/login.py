"""The limits of log-ins, which the API's and the admin's share: each attempt counts for its address and its user."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from api import throttling


def used_up(request: Any, username: str) -> throttling.Quota | None:
    """Count an attempt; the limit that it is above, if there is one."""
    for policy, subject in (
        ("login-address", str(request.META.get("REMOTE_ADDR"))),
        ("login-user", username.casefold()),
    ):
        quota = throttling.take(policy, subject)
        if quota.remaining < 0:
            return quota
    return None


def limited(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A view of a form with `username` whose attempts are limited: 429 before a password is hashed."""

    @wraps(view)
    def asked(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        quota = used_up(request, request.POST.get("username", "")) if request.method == "POST" else None
        if quota is None:
            return view(request, *args, **kwargs)
        detail = f"Too many log-ins were tried. Try again in {quota.reset} seconds."
        headers = {"Retry-After": str(quota.reset), **quota.headers()}
        return HttpResponse(detail, status=429, content_type="text/plain; charset=utf-8", headers=headers)

    return asked
