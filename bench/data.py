"""What is measured on: demo data, and beside it companies of exactly known size.

An order has four lines and moments of whole seconds: django-ninja's encoder cuts microseconds short.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core.management import call_command
from django.db import connection, transaction

from businesses import tokens
from businesses.models import Address, Company, Membership, Office, Role, User
from querybudget.progress import progress

ORDERS = """
    CREATE TEMPORARY TABLE draft ON COMMIT DROP AS
    SELECT n, position, p.sku, p.name, 1 + (n + position) %% 20 AS quantity, p.unit_price, p.currency
    FROM generate_series(1, %(orders)s) n, generate_series(1, 4) position, orders_product p
    WHERE p.id = 1 + (n * 4 + position) %% 300;

    INSERT INTO orders_order (
        company_id, office_id, placed_by_id, number, status, currency, total, placed_at, updated_at, revision,
        ship_street, ship_city, ship_postcode, ship_country, request_digest)
    SELECT
        %(company)s, %(first_office)s + n * 7919 %% %(offices)s, 1 + n * 31 %% %(users)s,
        '2025-' || lpad(n::text, 8, '0'),
        (ARRAY['fulfilled', 'approved', 'placed', 'fulfilled', 'cancelled'])[1 + n %% 5], min(currency),
        sum(quantity * unit_price), at, at, n, 'Hauptstraße ' || n %% 200, 'München', '80331', 'DE', ''
    FROM draft, LATERAL (SELECT timestamptz '2025-01-01Z' + n * interval '1 minute' AS at) moment
    GROUP BY n, at ORDER BY n;

    INSERT INTO orders_orderline (order_id, position, sku, name, quantity, unit_price, total)
    SELECT o.id, position, sku, d.name, quantity, unit_price, quantity * unit_price
    FROM draft d JOIN orders_order o ON o.company_id = %(company)s AND o.number = '2025-' || lpad(n::text, 8, '0')
    ORDER BY n, position;

    INSERT INTO orders_orderevent (order_id, actor_id, kind, data, at)
    SELECT id, placed_by_id, 'placed', '{}', placed_at FROM orders_order WHERE company_id = %(company)s;
"""


@dataclass(frozen=True, slots=True)
class World:
    """Tokens of clients, by what their company is like, and an office that `writer` may order for."""

    main: str  # 350 offices, `orders` orders
    writer: str  # orders are placed here, so that nobody else's pages change
    office: int
    few: str  # 10 offices, `orders / 5` orders
    many: str  # 1,000 offices, as many orders
    few_listed: str  # like `few`, by a membership for each office
    many_listed: str  # like `many`, by a membership for each office
    orders: int


def make(orders: int) -> World:
    """Migrate and fill an empty database: 20,000 demo orders or fewer, and the companies of a `World`."""
    call_command("migrate", verbosity=0)
    call_command("seed_demo", orders=min(orders, 20_000))
    wanted = {"main": (350, orders), "writer": (1, 1)}
    for kind in ("", "_listed"):
        wanted |= {f"few{kind}": (10, orders // 5), f"many{kind}": (1000, orders // 5)}
    owners = {}
    with progress("companies", len(wanted)) as shown:
        for name, size in wanted.items():
            owners[name] = company(name, *size)
            shown.advance()
        for name in ("few_listed", "many_listed"):
            by_office(owners[name])
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    office = Office.objects.get(company__slug="writer").pk
    world = World(office=office, orders=orders, **{name: token(owner) for name, owner in owners.items()})
    connection.close()
    return world


@transaction.atomic
def company(name: str, offices: int, orders: int) -> User:
    """A company with its offices and orders; returns its owner, who has an active address."""
    made = Company.objects.create(name=f"Bench {name}", slug=name)
    rows = [Office(company=made, name=f"Büro {n}", city="Köln", country="DE") for n in range(offices)]
    first = min(office.pk for office in Office.objects.bulk_create(rows))
    owner = User.objects.create(username=name, first_name="Grace", last_name=name.title())
    Membership.objects.create(user=owner, company=made, role=Role.OWNER)
    Address.objects.create(user=owner, street="Ring 1", city="Köln", postcode="50667", country="DE", active=True)
    users = Address.objects.filter(active=True).count()
    with connection.cursor() as cursor:
        numbers = {"company": made.pk, "first_office": first, "offices": offices, "users": users, "orders": orders}
        cursor.execute(ORDERS, numbers)
    Company.objects.filter(pk=made.pk).update(revision=orders + 1)
    return owner


def by_office(owner: User) -> None:
    """The same rights, given for each office."""
    held = owner.memberships.get()
    offices = Office.objects.filter(company=held.company)
    Membership.objects.bulk_create(
        Membership(user=owner, company=held.company, office=office, role=held.role) for office in offices
    )
    held.delete()


def token(owner: User) -> str:
    return tokens.issue(owner)[0]
