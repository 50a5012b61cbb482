"""Pages for staff: captured requests, and what this process has served. `querybudget.urls` has their paths."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, HttpResponseNotFound
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_safe

from querybudget.captures import kept, recent
from querybudget.configuration import configured
from querybudget.pages import page, policy
from querybudget.traffic import traffic

View = Callable[..., HttpResponse]


def staff_only(view: View) -> View:
    """Who is not logged in goes to the admin's login, if there is one; who is not staff gets 403. Nothing is cached."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, **named: Any) -> HttpResponse:
        user = getattr(request, "user", None)
        if user is None or not user.is_authenticated:
            response: HttpResponse = redirect_to_login(request.get_full_path(), _login())
        elif not getattr(user, "is_staff", False):
            response = HttpResponseForbidden("For staff only.", content_type="text/plain; charset=utf-8")
        else:
            response = view(request, **named)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Content-Security-Policy"] = f"{policy()}; frame-ancestors 'none'"
        return response

    return guarded


def _login() -> str | None:
    """The admin's login; None stands for `LOGIN_URL`."""
    try:
        return reverse("admin:login")
    except NoReverseMatch:
        return None


@staff_only
@require_safe
def reports(request: HttpRequest) -> HttpResponse:
    """The captured requests, and the ledger beside what this process has served."""
    options, ledger = configured()
    captured = [{**one, "url": reverse("querybudget:report", args=[one["id"]])} for one in recent()]
    process = f"process {os.getpid()} since {traffic.since:%Y-%m-%d %H:%M} UTC"
    return HttpResponse(page(traffic.document(ledger), captured=captured, process=process, note=options.not_held()))


@staff_only
@require_safe
def report(request: HttpRequest, id: str) -> HttpResponse:
    """One captured request."""
    document = kept(id)
    if document is None:
        return HttpResponseNotFound("No such report, or no more.", content_type="text/plain; charset=utf-8")
    return HttpResponse(page(document, back=reverse("querybudget:reports")))
