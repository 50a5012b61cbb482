"""What does something of its own where a known URL would not come to is answered on the ordinary way, and told."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.signals import request_finished, request_started
from django.dispatch import Signal
from django.test import RequestFactory

from businesses import tokens
from businesses.authentication import ScopeAuthentication
from businesses.models import User
from fast import early
from orders.models import Order
from orders.views import OrderViewSet
from querybudget.requests import unmeasured
from tests import factories
from tests.caching.test_authenticators import ORDINARY, Stricter, answers, made, serve, urls

__all__ = ["urls"]  # a fixture


@pytest.fixture
def order(store: str, owner: User, office: Any) -> Order:
    return factories.order(office, owner)


def known_after(client: Any, authenticators: list[Any]) -> bool:
    serve(made(OrderViewSet, authenticators))
    assert {response.status_code for response in answers(client, "/orders")} == {200}
    return bool(early.known._values)


@pytest.mark.parametrize("authenticators", ORDINARY, ids=lambda each: "-".join(one.__name__ for one in each))
def test_no_other_authentication_is_known(
    urls: None,
    client_of: Any,
    owner: User,
    order: Order,
    authenticators: list[Any],
) -> None:
    assert not known_after(client_of(owner), authenticators)


@pytest.mark.parametrize(("authentication", "known"), [(ScopeAuthentication, True), (Stricter, False)])
def test_the_service_s_own_is_known_and_what_is_derived_from_it_is_not(
    urls: None,
    client_of: Any,
    owner: User,
    order: Order,
    authentication: Any,
    known: bool,
) -> None:
    client = client_of(owner)
    client.defaults["HTTP_X_SECRET"] = "1"
    assert known_after(client, [authentication]) == known


# --- Middleware


def test_middleware_sees_what_is_answered_ahead_of_django_too(
    store: str, order: Order, owner: User, settings: Any
) -> None:
    from config.handler import Handler
    from fast.front import Front

    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.newcomer.middleware.only_staff"]
    application, token = Front(Handler()), f"Token {tokens.issue(owner)[0]}"
    statuses = []
    for role in ("staff", "staff", "nobody", "staff", "nobody"):
        environ = RequestFactory().get("/api/orders", headers={"Authorization": token, "X-Role": role}).environ
        body: Any = application(environ, lambda status, headers, error=None: statuses.append(status[:3]))
        b"".join(body)
        getattr(body, "close", list)()
    assert statuses == ["200", "200", "403", "200", "403"]


@pytest.mark.parametrize("signal", [request_started, request_finished])
def test_who_is_told_of_requests_is_told_of_each(store: str, order: Order, owner: User, signal: Signal) -> None:
    from config.wsgi import application

    token, told = f"Token {tokens.issue(owner)[0]}", []

    def ask() -> None:
        environ = RequestFactory().get("/api/orders", headers={"Authorization": token}).environ
        body: Any = application(environ, lambda status, headers, error=None: None)
        b"".join(body)
        getattr(body, "close", list)()

    def receiver(**given: Any) -> None:
        told.append(given)

    with unmeasured():
        ask()
        signal.connect(receiver)
        try:
            assert any("is told of each request" in line for line in told_by_checks())
            for _ in range(3):
                ask()
        finally:
            signal.disconnect(receiver)
        ask()
    assert len(told) == 3


# --- What is not accelerated is told


def told_by_checks() -> list[str]:
    from fast.checks import unknown

    return [message.msg for message in unknown(None)]


def test_a_check_names_each_view_that_is_not_known_and_why(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.newcomer.urls"
    lines = [line for line in told_by_checks() if "/ByInitial/" in line and line.count("<") == 1]
    route = "/api/newcomer/ByInitial/projects/<int:project>/tasks"
    assert lines == [
        f"{route} does not become known, as ByInitial overrides initial.",
        f"{route} does not become known, as ByInitial does not say that it is steady.",
    ]
    assert any("/Decorated/" in line and "something stands round its view" in line for line in told_by_checks())
    assert any(
        "/ByMethod/" in line and "ByMethod.list may do more than answer what is kept" in line
        for line in told_by_checks()
    )


def test_a_check_names_middleware_that_every_request_goes_to(settings: Any) -> None:
    name = "tests.newcomer.middleware.allow_origin"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, name]
    assert f"No URL becomes known, as each request goes to {name}." in told_by_checks()


def test_a_check_names_what_a_view_has_of_its_own_where_the_database_would_write(settings: Any) -> None:
    from fast.checks import rendered

    settings.ROOT_URLCONF = "tests.newcomer.urls"
    said = {message.msg for message in rendered(None)}
    assert said >= {
        "OwnPages is rendered by its own paginate_queryset",
        "OwnPagination is rendered by its own get_paginated_response of its pages",
        "OwnSerializer is rendered by its own get_serializer",
        "OwnList is rendered by its own to_representation of a list's serializer",
        "OwnReading is rendered by LoudTaskSerializer, as LoudTask makes its instances in a way of its own",
        "FieldsByUser is rendered by FieldsByUserSerializer, as FieldsByUserSerializer makes its fields by itself",
    }


def test_a_check_names_fields_that_python_fills_in(settings: Any) -> None:
    from fast.checks import filled_in

    assert filled_in(None) == []
    settings.ROOT_URLCONF = "tests.newcomer.urls"
    assert "LateSerializer.late is filled in by Python." in [message.msg for message in filled_in(None)]


def test_all_of_the_service_s_own_are_known(settings: Any) -> None:
    assert told_by_checks() == []
