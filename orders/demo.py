"""Demo data: the same for the same numbers and seed, on every machine and database.

Written straight to the tables, with COPY on PostgreSQL (100,000 orders in well under a minute), so
it fills an empty database only.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any

from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Model

from businesses.models import Address, Company, Membership, Office, Role, User
from orders.models import Order, OrderEvent, OrderLine, Product
from orders.states import Status

LARGEST = 350  # offices of the first company, the demo user's
END = datetime(2026, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=730)
BATCH = 5000  # rows a COPY or INSERT

CITIES = [
    ("Berlin", "DE"), ("Hamburg", "DE"), ("München", "DE"), ("Wien", "AT"), ("Zürich", "CH"), ("Paris", "FR"),
    ("Lyon", "FR"), ("Madrid", "ES"), ("Łódź", "PL"), ("København", "DK"), ("Utrecht", "NL"), ("Gent", "BE"),
]  # fmt: skip
STREETS = ["Hauptstraße", "Lindenweg", "Rue de la Paix", "Calle Mayor", "Kanaalstraat", "Ringstraße", "Parkvej"]
FIRST = ["Ada", "Barbara", "Chen", "Donald", "Edsger", "Frances", "Grace", "Hedy", "Ivan", "Joan", "Ken", "Leslie"]
LAST = ["Adeyemi", "Brandt", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Hopper", "Ito", "Jensen", "Kowalski"]
TRADES = ["Logistics", "Dental", "Bakeries", "Insurance", "Motors", "Pharma", "Foods", "Energy", "Textiles", "Media"]
THINGS = [
    "Paper A4",
    "Toner",
    "Desk lamp",
    "Office chair",
    "Coffee beans",
    "Notebook",
    "Monitor",
    "Keyboard",
    "Stapler",
]


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows to make. `orders` with about four lines each."""

    companies: int = 50
    offices: int = 1500
    users: int = 2000
    orders: int = 100_000
    seed: int = 7


Advance = Callable[[int], None]


def fill(size: Size, advance: Advance = lambda rows: None) -> None:
    """Fill an empty database; `advance` is told of every batch of orders written.

    The user `demo` owns the first company. Passwords are unusable: `manage.py changepassword` sets one.

    Raises:
        ValueError: there is data already, or a number is below 0 or too small for one company with 350 offices.
    """
    if size.companies < 1 or size.users < size.companies or size.offices < LARGEST + size.companies - 1:
        raise ValueError(f"needs 1 company, as many users, and {LARGEST} offices and one more for each further company")
    if size.orders < 0:
        raise ValueError(f"orders can't be {size.orders}")
    if Order.objects.exists() or Company.objects.exists() or User.objects.filter(username="demo").exists():
        raise ValueError("the database has data already")
    chance = random.Random(size.seed)  # noqa: S311 repeatable on purpose
    with transaction.atomic():
        look_up_by_index()
        people = list(members(size))
        write(Company, companies(size, revisions(size)))
        write(Office, offices(size, chance))
        write(User, users(size, chance))
        write(
            Membership, ([n, user, company, office, role] for n, (user, company, office, role) in enumerate(people, 1))
        )
        write(Address, addresses(size, chance))
        catalogue = list(products(chance))
        write(Product, catalogue)
        source = orders(size, chance, catalogue, people)
        while batch := list(islice(source, BATCH)):
            write(Order, (order for order, _, _ in batch))
            write(OrderLine, (line for _, lines, _ in batch for line in lines))
            write(OrderEvent, (event for _, _, events in batch for event in events))
            advance(len(batch))
        reset_sequences()
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


# --- Rows, in the order of each model's columns

Row = Sequence[Any]


def company_of_office(size: Size, office: int) -> int:
    """The first 350 offices are the first company's, the others go round the rest."""
    return 1 if office <= LARGEST or size.companies == 1 else 2 + (office - LARGEST - 1) % (size.companies - 1)


def company_of_user(size: Size, user: int) -> int:
    return 1 + (user - 1) % size.companies


def revisions(size: Size) -> list[int]:
    """Each company's revision: one for each of its orders."""
    counts = [0] * (size.companies + 1)
    for number in range(1, size.orders + 1):
        counts[company_of_order(size, number)] += 1
    return counts


def company_of_order(size: Size, number: int) -> int:
    """Every second order is the first company's; the others go round all."""
    return 1 if number % 2 else 1 + number // 2 % size.companies


def companies(size: Size, counts: list[int]) -> Iterator[Row]:
    for pk in range(1, size.companies + 1):
        name = f"{LAST[pk % len(LAST)]} {TRADES[pk % len(TRADES)]} {pk}"
        yield [pk, name, f"company-{pk}", counts[pk]]


def offices(size: Size, chance: random.Random) -> Iterator[Row]:
    for pk in range(1, size.offices + 1):
        city, country = chance.choice(CITIES)
        street = f"{chance.choice(STREETS)} {chance.randint(1, 199)}"
        yield [
            pk,
            company_of_office(size, pk),
            f"{city} {pk}",
            street,
            city,
            f"{chance.randint(10000, 99999)}",
            country,
        ]


def users(size: Size, chance: random.Random) -> Iterator[Row]:
    for pk in range(1, size.users + 1):
        username = "demo" if pk == 1 else f"user{pk}"
        first, last = chance.choice(FIRST), chance.choice(LAST)
        yield [pk, "!demo", None, False, username, first, last, f"{username}@example.com", False, True, END - SPAN, 0]


def members(size: Size) -> Iterator[tuple[int, int, int | None, Role]]:
    """(user, company, office, role): `demo` owns company 1; of the others every third has one office only."""
    first_office = {company_of_office(size, office): office for office in range(size.offices, 0, -1)}
    for user in range(1, size.users + 1):
        company = company_of_user(size, user)
        role = Role.OWNER if user <= size.companies else list(Role)[user // 3 % 3]
        yield user, company, first_office[company] if user % 3 == 0 and role != Role.OWNER else None, role


def addresses(size: Size, chance: random.Random) -> Iterator[Row]:
    for pk in range(1, 2 * size.users + 1):
        city, country = chance.choice(CITIES)
        street = f"{chance.choice(STREETS)} {chance.randint(1, 199)}"
        yield [pk, (pk + 1) // 2, street, city, f"{chance.randint(10000, 99999)}", country, pk % 2 == 1]


def products(chance: random.Random) -> Iterator[Row]:
    for pk in range(1, 301):
        name = f"{THINGS[pk % len(THINGS)]} {pk}"
        yield [pk, f"SKU-{pk:04d}", name, Decimal(chance.randint(99, 99_999)) / 100, "EUR", pk % 50 != 0]


def orders(
    size: Size, chance: random.Random, catalogue: list[Row], people: list[tuple[int, int, int | None, Role]]
) -> Iterator[tuple[Row, list[Row], list[Row]]]:
    """Each order with its lines and events, oldest first."""
    offices_of: dict[int, list[int]] = {}
    for office in range(1, size.offices + 1):
        offices_of.setdefault(company_of_office(size, office), []).append(office)
    users_of: dict[int, list[int]] = {}
    for user, company, _, _ in people:
        users_of.setdefault(company, []).append(user)
    streets = [f"{street} {number}" for street in STREETS for number in range(1, 30)]
    step = SPAN / max(size.orders, 1)
    revision = [0] * (size.companies + 1)
    line_pk = event_pk = 0
    for pk in range(1, size.orders + 1):
        company = company_of_order(size, pk)
        revision[company] += 1
        placed_at = END - SPAN + step * pk
        user = chance.choice(users_of[company])
        status = chance.choices([Status.FULFILLED, Status.APPROVED, Status.PLACED, Status.CANCELLED], (70, 12, 12, 6))[
            0
        ]
        lines: list[Row] = []
        total = Decimal(0)
        for position in range(1, 1 + chance.choices([1, 2, 3, 4, 5, 6, 7], (5, 12, 20, 26, 20, 12, 5))[0]):
            _, sku, name, price, _, _ = chance.choice(catalogue)
            quantity = chance.randint(1, 20)
            total += quantity * price
            line_pk += 1
            lines.append([line_pk, pk, position, sku, name, quantity, price, quantity * price])
        events: list[Row] = []
        for kind in [OrderEvent.Kind.PLACED] if status == Status.PLACED else [OrderEvent.Kind.PLACED, status]:
            event_pk += 1
            events.append([event_pk, pk, user, str(kind), "{}", placed_at])
        city, country = chance.choice(CITIES)
        number = f"{placed_at.year}-{revision[company]:08d}"
        ship = [chance.choice(streets), city, f"{chance.randint(10000, 99999)}", country]
        yield (
            [pk, company, chance.choice(offices_of[company]), user, number, str(status), "EUR", total, placed_at,
             placed_at, revision[company], *ship, None, ""],
            lines,
            events,
        )  # fmt: skip


# --- Writing


def write(model: type[Model], rows: Iterable[Row]) -> None:
    """Rows of values in the order of the model's columns, by COPY where there is one."""
    columns = [str(field.column) for field in model._meta.concrete_fields if not field.generated]
    table = connection.ops.quote_name(model._meta.db_table)
    names = ", ".join(map(connection.ops.quote_name, columns))
    rows = iter(rows)
    with connection.cursor() as cursor:
        while batch := list(islice(rows, BATCH)):
            if connection.vendor == "postgresql":
                text = "".join("\t".join(map(copy_text, row)) + "\n" for row in batch)
                cursor.copy_expert(f"COPY {table} ({names}) FROM STDIN", io.StringIO(text))
            else:
                marks = ", ".join(["%s"] * len(columns))
                cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", [plain(row) for row in batch])  # noqa: S608


def copy_text(value: Any) -> str:
    """A value in COPY's text format; the demo's texts need no escapes."""
    return r"\N" if value is None else str(value)


def plain(row: Row) -> list[Any]:
    """Values as SQLite stores Django's."""
    adapt = connection.ops
    return [
        adapt.adapt_datetimefield_value(value)
        if isinstance(value, datetime)
        else str(value)
        if isinstance(value, Decimal | Role | Status)
        else value
        for value in row
    ]


def look_up_by_index() -> None:
    """In this transaction: triggers look a row's order up, by a plan made while the tables are empty and then kept.

    It would read the whole table for each batch, so that time grows with the square (measured: 300,000 orders in 44 s,
    and in 32 so; ten million in 20 minutes).
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off")
            cursor.execute("SET LOCAL enable_seqscan = off")


def reset_sequences() -> None:
    models = [Company, Office, User, Membership, Address, Product, Order, OrderLine, OrderEvent]
    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            cursor.execute(statement)
