"""What declares too little with `@needs`, or nothing, is answered by its serializer: everywhere, and rightly."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework import serializers

from api.selection import Selection
from api.shaping import needs
from businesses.models import Company
from fast.compiled import Compiled, compiled_for
from orders.models import Order, Product
from orders.views import OrderExportViewSet, OrderViewSet
from querybudget.requests import unmeasured
from tests import factories

URLS = ["/api/orders", "/api/orders/{}", "/api/orders/export"]
Method = Callable[[Any, Order], Any]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Method], Any]:
    """`serve(method)`: orders are their key and what `method` makes of them; the serializer that shows it."""

    def serving(method: Method) -> Any:
        meta = type("Meta", (), {"model": Order, "fields": ["id", "text"]})
        text = serializers.SerializerMethodField()
        body = {"Meta": meta, "text": text, "get_text": method}
        made = type("OrderSerializer", (serializers.ModelSerializer,), body)
        for view in (OrderViewSet, OrderExportViewSet):
            monkeypatch.setattr(view, "serializer_class", made)
        return made

    return serving


def ask(client: Any, url: str) -> list[Any]:
    """The texts of the orders that are shown."""
    with unmeasured():
        response = client.get(url)
        assert response.status_code == 200
        if response.streaming:
            return [json.loads(line)["text"] for line in b"".join(response).splitlines()]
    shown = response.json()
    return [row["text"] for row in shown.get("results", [shown])]


@needs("status")
def reads_a_column(serializer: Any, order: Order) -> str:
    return f"{order.status} {order.number}"


@needs("status")
def reads_a_relation(serializer: Any, order: Order) -> str:
    return f"{order.status} {order.lines.count()}"


@needs("status")
def bears_errors(serializer: Any, order: Order) -> str:
    try:
        return f"{order.status} {order.number}"
    except Exception:
        return "no number"


@needs("status")
def asks_whether_there_is_one(serializer: Any, order: Order) -> str:
    return f"{order.status} {getattr(order, 'number', 'none')}"


@needs("status")
def reads_the_key(serializer: Any, order: Order) -> str:
    return f"{order.status} {order.pk}"


@pytest.mark.django_db
@pytest.mark.parametrize("url", URLS)
@pytest.mark.parametrize("method", [reads_a_column, reads_a_relation, bears_errors, asks_whether_there_is_one])
def test_a_method_that_needs_more_than_it_says_is_answered_and_logged_where_the_guard_reports(
    settings: Any, caplog: pytest.LogCaptureFixture, client_of: Any, serve: Any, method: Method, url: str
) -> None:
    settings.SHAPING_GUARD = "report"
    order, made = factories.order(factories.office(), factories.user()), serve(method)
    client = client_of(factories.member(order.company))
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.ERROR, "api.shaping"):
            (text,) = ask(client, url.format(order.pk))
        assert text == method(None, order)
        assert "query while rendering, not in the plan" in caplog.text
    found = compiled_for(made, Selection())
    assert isinstance(found, Compiled)
    assert found.leaks


@pytest.mark.django_db
@pytest.mark.parametrize("url", URLS)
def test_the_key_needs_no_declaration(client_of: Any, serve: Any, url: str) -> None:
    order, made = factories.order(factories.office(), factories.user()), serve(reads_the_key)
    assert ask(client_of(factories.member(order.company)), url.format(order.pk)) == [f"placed {order.pk}"]
    found = compiled_for(made, Selection())
    assert isinstance(found, Compiled)
    assert not found.leaks


@pytest.mark.django_db
def test_an_export_that_finds_out_in_the_middle_has_each_order_once(
    settings: Any, client_of: Any, serve: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.SHAPING_GUARD = "report"
    monkeypatch.setattr("orders.export.SLICE", 2)
    office, person = factories.office(), factories.user()
    orders = [factories.order(office, person, lines=0) for _ in range(4)]
    orders.append(factories.order(office, person, lines=0, status="approved"))
    orders += [factories.order(office, person, lines=0) for _ in range(2)]

    @needs("status")
    def method(serializer: Any, order: Order) -> str:
        return f"{order.number}" if order.status == "approved" else f"{order.pk}"

    serve(method)
    client = client_of(factories.member(office))
    expected = [method(None, order) for order in orders]
    assert ask(client, "/api/orders/export?ordering=placed_at") == expected
    assert ask(client, "/api/orders/export?ordering=placed_at") == expected


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("url", URLS)
def test_an_answer_of_which_nobody_knows_what_it_reads_is_never_kept(
    settings: Any, client_of: Any, serve: Any, url: str
) -> None:
    settings.SHAPING_GUARD = "report"
    order = factories.order(factories.office(), factories.user(), lines=0)
    client = client_of(factories.member(order.company))
    serve(lambda self, order: f"{Product.objects.count()} {Company.objects.count()}")
    assert ask(client, url.format(order.pk)) == ["0 1"]
    with unmeasured():
        assert "ETag" not in client.get(url.format(order.pk))
    Company.objects.create(name="another", slug="another")  # raises no revision of what this user sees
    assert ask(client, url.format(order.pk)) == ["0 2"]
