"""A row and the rows that belong to it: the same in the tables, by one statement or by one for each model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Model
from django.db.models.signals import post_save, pre_save
from django.test.utils import CaptureQueriesContext

from businesses.models import Office, User
from fast import inserts
from orders import services
from orders.models import Order, OrderEvent, OrderLine
from tests import factories

pytestmark = pytest.mark.django_db


def apart(owner: Model, *owned: Sequence[Model]) -> None:
    """As Django does it."""
    for rows in ([owner], *owned):
        type(rows[0])._base_manager.bulk_create(rows)


WAYS = pytest.mark.parametrize("write", [inserts.together, apart])
AT = datetime(2026, 2, 3, 4, 5, 6, 7, tzinfo=UTC)
UNUSUAL = "\"'{},\\%s é 𝄞 NULL"
Rows = tuple[Order, list[OrderLine], list[OrderEvent]]
Write = Callable[..., object]


@pytest.fixture
def person() -> User:
    return factories.user()


@pytest.fixture
def office() -> Office:
    return factories.office()


@pytest.fixture
def rows(office: Office, person: User) -> Callable[..., Rows]:
    """`rows(…)`: an order that is not written yet, with two lines and two events, of values that are easily spoilt."""

    def make(sku: str = UNUSUAL, **values: Any) -> Rows:
        ship_to = {"ship_street": UNUSUAL, "ship_city": "", "ship_postcode": "0", "ship_country": "DE"}
        amounts = {"currency": "EUR", "total": Decimal("999999999999999999.99")}
        stamps = {"number": "N-1", "placed_at": AT, "updated_at": AT, "revision": 2**62}
        order = Order(
            company_id=office.company_id, office=office, placed_by=person, **ship_to, **amounts, **stamps, **values
        )
        price = {"quantity": 2**31 - 1, "unit_price": Decimal("0.10"), "total": Decimal("1E+3")}
        lines = [OrderLine(order=order, position=at, sku=sku, name="", **price) for at in (7, 3)]
        events = [
            OrderEvent(order=order, actor=person, kind="edited", data=data, at=AT) for data in ({}, {"a": [UNUSUAL]})
        ]
        return order, lines, events

    return make


def stored(model: type[Model], but: tuple[str, ...], **which: Any) -> list[dict[str, Any]]:
    names = [field.attname for field in model._meta.concrete_fields if field.attname not in but]
    return list(model._base_manager.filter(**which).order_by("pk").values(*names))


def written(write: Write, rows: Rows) -> list[Any]:
    """What the tables hold of `rows` once `write` has written them, but for keys. Nothing is left of it."""
    with transaction.atomic():
        write(*rows)
        order = rows[0]
        found = [stored(Order, ("id",), pk=order.pk)]
        found += [stored(model, ("id", "order_id"), order=order.pk) for model in (OrderLine, OrderEvent)]
        transaction.set_rollback(True)
    return found


@pytest.mark.parametrize("key", [None, "a key"])
def test_both_ways_write_the_same_rows(rows: Callable[..., Rows], key: str | None) -> None:
    (order,), lines, events = together = written(inserts.together, rows(idempotency_key=key))
    assert together == written(apart, rows(idempotency_key=key))
    assert (order["idempotency_key"], order["ship_street"], order["date"]) == (key, UNUSUAL, AT.date())
    assert [(line["position"], line["sku"], line["total"]) for line in lines] == [
        (7, UNUSUAL, 1000),
        (3, UNUSUAL, 1000),
    ]
    assert [event["data"] for event in events] == [{}, {"a": [UNUSUAL]}]


@WAYS
def test_the_owner_gets_its_key(write: Write, rows: Callable[..., Rows]) -> None:
    order, lines, events = rows()
    write(order, lines, events)
    assert Order.objects.get() == order
    assert [OrderLine.objects.filter(order=order).count(), OrderEvent.objects.filter(order=order).count()] == [2, 2]


def test_together_is_one_statement_whatever_their_number(rows: Callable[..., Rows]) -> None:
    order, lines, events = rows()
    free = {"sku": "", "name": "", "quantity": 1, "unit_price": 0, "total": 0}
    lines += [OrderLine(order=order, position=at, **free) for at in range(100, 300)]
    with CaptureQueriesContext(connection) as captured:
        inserts.together(order, lines, events)
    assert len(captured) == 1
    assert OrderLine.objects.filter(order=order.pk).count() == 202


@WAYS
def test_a_text_too_long_is_refused_not_cut(write: Write, rows: Callable[..., Rows]) -> None:
    with pytest.raises(DataError), transaction.atomic():
        write(*rows(sku="x" * 41))


@WAYS
def test_of_what_a_constraint_refuses_nothing_is_written(write: Write, rows: Callable[..., Rows]) -> None:
    order, lines, events = rows()
    lines[1].position = lines[0].position
    with pytest.raises(IntegrityError, match="line_position"), transaction.atomic():
        write(order, lines, events)
    assert not Order.objects.exists()


# --- What only Django can do


@pytest.mark.parametrize("signal", [pre_save, post_save])
@pytest.mark.parametrize("sender", [Order, OrderEvent, None])
def test_a_receiver_of_a_signal_is_told(signal: Any, sender: Any, rows: Callable[..., Rows]) -> None:
    seen: list[type[Model]] = []
    receiver = lambda sender, **received: seen.append(sender)  # noqa: E731
    signal.connect(receiver, sender=sender)
    try:
        order, lines, (event, *_) = rows()
        services.insert(order, lines, event)
    finally:
        signal.disconnect(receiver, sender=sender)
    assert seen == [model for model in (Order, OrderEvent) if sender in (model, None)]
    assert OrderLine.objects.filter(order=order).count() == len(lines)


@pytest.mark.parametrize("name", ["save", "save_base"])
@pytest.mark.parametrize("model", [Order, OrderEvent])
def test_a_method_of_the_model_is_called(
    name: str, model: Any, rows: Callable[..., Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Model] = []
    original = getattr(model, name)

    def own(row: Model, *args: Any, **kwargs: Any) -> None:
        seen.append(row)
        original(row, *args, **kwargs)

    monkeypatch.setattr(model, name, own)
    order, lines, (event, *_) = rows()
    services.insert(order, lines, event)
    assert seen == [order if model is Order else event]


@pytest.mark.parametrize(
    ("name", "value"), [("get_placeholder", lambda *_: "md5(%s)"), ("has_db_default", lambda: True)]
)
def test_a_column_that_is_written_in_a_way_of_its_own_is_left_to_django(
    name: str, value: Any, rows: Callable[..., Rows], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Order._meta.get_field("number"), name, value, raising=False)
    order, lines, events = rows()
    assert not inserts.together(order, lines, events)


def test_other_databases_are_left_to_django(rows: Callable[..., Rows], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "vendor", "sqlite")
    order, lines, events = rows()
    assert not inserts.together(order, lines, events)
    assert not Order.objects.exists()
