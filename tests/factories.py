"""Rows for tests: each function makes one with sensible values; keywords override them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from businesses.models import Address, Company, Membership, Office, Role, User
from orders.models import Order, OrderEvent, OrderLine, Product

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
_numbers = count(1)


def user(**values: Any) -> User:
    number = next(_numbers)
    return User.objects.create(
        **{"username": f"user{number}", "first_name": "Ada", "last_name": f"Number{number}", "password": "!", **values}
    )


def company(**values: Any) -> Company:
    number = next(_numbers)
    return Company.objects.create(**{"name": f"Company {number}", "slug": f"company-{number}", **values})


def office(of: Company | None = None, **values: Any) -> Office:
    number = next(_numbers)
    place = {"street": "Lindenweg 1", "city": "Berlin", "postcode": "10115", "country": "DE"}
    return Office.objects.create(company=of or company(), **{"name": f"Office {number}", **place, **values})


def member(of: Company | Office, role: Role = Role.OWNER, *, address: bool = True, **values: Any) -> User:
    """A new user with a role in a company (all offices) or in one office, and an active address."""
    person = user(**values)
    place = {"company": of.company, "office": of} if isinstance(of, Office) else {"company": of}
    Membership.objects.create(user=person, role=role, **place)
    if address:
        active_address(person)
    return person


def active_address(of: User, **values: Any) -> Address:
    place = {"street": "Parkvej 7", "city": "København", "postcode": "2100", "country": "DK"}
    return Address.objects.create(user=of, active=True, **{**place, **values})


def product(**values: Any) -> Product:
    number = next(_numbers)
    defaults = {"sku": f"SKU-{number:04d}", "name": f"Thing {number}", "unit_price": Decimal("2.50"), "currency": "EUR"}
    return Product.objects.create(**{**defaults, **values})


def order(at: Office, by: User, *, lines: int = 2, **values: Any) -> Order:
    """An order with lines and its event, written straight to the tables; its revision is the company's next."""
    number = next(_numbers)
    at.company.refresh_from_db(fields=["revision"])
    at.company.revision += 1
    at.company.save(update_fields=["revision"])
    placed_at = values.pop("placed_at", START + timedelta(minutes=number))
    row = Order.objects.create(
        company_id=at.company_id,
        office=at,
        placed_by=by,
        placed_at=placed_at,
        updated_at=placed_at,
        revision=at.company.revision,
        **{
            "number": f"2025-{number:08d}",  # the service numbers by the current year
            "currency": "EUR",
            "total": Decimal("5.00") * lines,
            "ship_street": "Parkvej 7",
            "ship_city": "København",
            "ship_postcode": "2100",
            "ship_country": "DK",
            **values,
        },
    )
    OrderLine.objects.bulk_create(
        OrderLine(
            order=row,
            position=position,
            sku=f"SKU-{position}",
            name=f"Thing {position}",
            quantity=2,
            unit_price=Decimal("2.50"),
            total=Decimal("5.00"),
        )
        for position in range(1, lines + 1)
    )
    OrderEvent.objects.create(order=row, actor=by, kind=OrderEvent.Kind.PLACED, at=placed_at)
    return row


def copies(of: Order, number: int, **values: Any) -> list[Order]:
    """Rows like `of` in all but their numbers, written by one statement, without lines and events."""
    same = {field.attname: getattr(of, field.attname) for field in Order._meta.concrete_fields}
    for name in ("id", "number", "date"):
        del same[name]
    return Order.objects.bulk_create(
        Order(**{**same, "number": f"C-{next(_numbers)}", **values}) for _ in range(number)
    )
