"""What `steady = True` promises is so: the same conditions for all who see alike, whatever the clock says."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import RequestFactory
from django.urls import resolve
from django.utils import timezone
from rest_framework.request import Request

from api.routes import views
from api.views import ShapedViewSet
from businesses import tokens
from businesses.authentication import resolve as scope_of_token
from businesses.models import User
from orders.views import ProductViewSet
from tests import factories

URLS = [
    "/api/orders?status=placed&status=approved&date_after=2026-01-01&search=2026-&ordering=number",
    "/api/orders?company={company}&since_version=0",
    "/api/orders?office={office}&placed_by={user}&placed_after=2026-01-01T00:00:00Z",
    "/api/orders/{order}",
    "/api/orders/{order}/events",
    "/api/orders/export?format=csv&date_before=2026-01-01",
    "/api/orders/summary?group_by=month",
    "/api/companies",
    "/api/offices?company={company}",
    "/api/products?active=true",
]
OWN = {"/api/addresses", "/api/me"}
"""Whose audience is one user."""


def steady() -> Iterator[type[ShapedViewSet]]:
    for _, view in views():
        if isinstance(view, type) and issubclass(view, ShapedViewSet) and vars(view).get("steady"):
            yield view


def conditions(url: str, user: User) -> str:
    match = resolve(url.partition("?")[0])
    func: Any = match.func
    view = func.cls(**func.initkwargs)
    request = Request(RequestFactory().get(url))
    request.user, request.auth = scope_of_token(tokens.issue(user)[0])
    view.request, view.args, view.kwargs, view.action = request, match.args, match.kwargs, func.actions["get"]
    return str(view.filter_queryset(view.get_queryset()).query)


@pytest.fixture
def places(db: None) -> dict[str, Any]:
    office = factories.office()
    first, second = factories.member(office.company), factories.member(office.company)
    order = factories.order(office, first)
    keys = {"company": office.company_id, "office": office.pk, "order": order.pk, "user": first.pk}
    return {"first": first, "second": second, "keys": keys}


@pytest.mark.parametrize("url", URLS)
def test_a_steady_view_asks_for_grants_and_url_only(
    places: dict[str, Any], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = url.format(**places["keys"])
    now = timezone.now()
    seen = set()
    for days, user in ((0, "first"), (0, "second"), (400, "first")):
        monkeypatch.setattr(timezone, "now", lambda days=days: now + timedelta(days=days))
        seen.add(conditions(url, places[user]))
    assert len(seen) == 1


def test_every_steady_view_is_looked_at() -> None:
    looked_at = {resolve(url.partition("?")[0].format(order=1)).func.cls for url in (*URLS, *OWN)}  # type: ignore[attr-defined]
    assert set(steady()) <= looked_at
    assert len(looked_at) == 8


def test_a_derived_class_promises_for_itself() -> None:
    class Derived(ProductViewSet):
        pass

    assert ProductViewSet().is_steady()
    assert not Derived().is_steady()
