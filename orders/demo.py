"""Demo data: the same for the same numbers, seed and end, on every machine and database.

Written straight to the tables, with COPY on PostgreSQL (100,000 orders in well under a minute), so
it fills an empty database only.
"""

from __future__ import annotations

import io
import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
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
SPAN = timedelta(days=730)  # between the first order and the last
DELIVERY = timedelta(days=2)  # an order that is younger is not fulfilled yet
BATCH = 5000  # rows a COPY or INSERT

CITIES = {
    ("Berlin", "DE"): ["10115", "10245", "10437", "10961", "12047"],
    ("Hamburg", "DE"): ["20095", "20259", "20357", "22303", "22765"],
    ("München", "DE"): ["80331", "80469", "80799", "81541", "81667"],
    ("Wien", "AT"): ["1010", "1030", "1070", "1090", "1190"],
    ("Zürich", "CH"): ["8001", "8004", "8005", "8032", "8050"],
    ("Paris", "FR"): ["75002", "75005", "75010", "75011", "75018"],
    ("Lyon", "FR"): ["69001", "69002", "69003", "69006", "69007"],
    ("Madrid", "ES"): ["28001", "28004", "28010", "28013", "28045"],
    ("Łódź", "PL"): ["90-113", "90-265", "90-425", "91-415", "93-005"],
    ("København", "DK"): ["1050", "1208", "1620", "2100", "2200"],
    ("Utrecht", "NL"): ["3511 CE", "3512 JC", "3521 AL", "3531 GA", "3572 KB"],
    ("Gent", "BE"): ["9000", "9030", "9040", "9050", "9052"],
}
PLACES = list(CITIES.items())
STREETS = {
    "DE": ["Hauptstraße {}", "Lindenweg {}", "Ringstraße {}"],
    "AT": ["Hauptstraße {}", "Lindengasse {}", "Ringstraße {}"],
    "CH": ["Bahnhofstrasse {}", "Lindenweg {}", "Seestrasse {}"],
    "FR": ["{} rue de la Paix", "{} avenue Jean-Jaurès", "{} rue Victor-Hugo"],
    "ES": ["Calle Mayor {}", "Calle de Alcalá {}", "Paseo del Prado {}"],
    "PL": ["ul. Piotrkowska {}", "ul. Kościuszki {}", "ul. Zielona {}"],
    "DK": ["Parkvej {}", "Nørregade {}", "Vesterbrogade {}"],
    "NL": ["Kanaalstraat {}", "Oudegracht {}", "Stationsplein {}"],
    "BE": ["Veldstraat {}", "Kortrijksesteenweg {}", "Coupure {}"],
}
FIRST = ["Ada", "Barbara", "Chen", "Donald", "Edsger", "Frances", "Grace", "Hedy", "Ivan", "Joan", "Ken", "Leslie"]
LAST = ["Adeyemi", "Brandt", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Hopper", "Ito", "Jensen", "Kowalski"]
TRADES = ["Logistics", "Dental", "Bakeries", "Insurance", "Motors", "Pharma", "Foods", "Energy", "Textiles", "Media"]
THINGS = {  # and the least and the most that one costs
    "Paper A4, 500 sheets": (4, 9),
    "Toner": (45, 140),
    "Desk lamp": (25, 90),
    "Office chair": (120, 450),
    "Coffee beans, 1 kg": (12, 28),
    "Notebook": (2, 9),
    "Monitor": (140, 480),
    "Keyboard": (25, 140),
    "Stapler": (6, 25),
}


@dataclass(frozen=True, slots=True)
class Size:
    """How many rows to make. `orders` with about four lines each, the last of them placed at `end`."""

    companies: int = 50
    offices: int = 1500
    users: int = 2000
    orders: int = 100_000
    seed: int = 7
    end: datetime = field(default_factory=lambda: datetime.now(UTC))


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
        street, city, postcode, country = place(chance)
        yield [pk, company_of_office(size, pk), f"{city} {pk}", street, city, postcode, country]


def place(chance: random.Random) -> tuple[str, str, str, str]:
    """Street with number, city, postcode and country of one address."""
    (city, country), postcodes = chance.choice(PLACES)
    return chance.choice(STREETS[country]).format(chance.randint(1, 199)), city, chance.choice(postcodes), country


def users(size: Size, chance: random.Random) -> Iterator[Row]:
    for pk in range(1, size.users + 1):
        username = "demo" if pk == 1 else f"user{pk}"
        first, last = chance.choice(FIRST), chance.choice(LAST)
        yield [
            pk,
            "!demo",
            None,
            False,
            username,
            first,
            last,
            f"{username}@example.com",
            False,
            True,
            size.end - SPAN,
            0,
        ]


def members(size: Size) -> Iterator[tuple[int, int, int | None, Role]]:
    """(user, company, office, role): `demo` owns company 1; of the others every third has one office only."""
    first_office = {company_of_office(size, office): office for office in range(size.offices, 0, -1)}
    for user in range(1, size.users + 1):
        company = company_of_user(size, user)
        role = Role.OWNER if user <= size.companies else list(Role)[user // 3 % 3]
        yield user, company, first_office[company] if user % 3 == 0 and role != Role.OWNER else None, role


def addresses(size: Size, chance: random.Random) -> Iterator[Row]:
    for pk in range(1, 2 * size.users + 1):
        yield [pk, (pk + 1) // 2, *place(chance), pk % 2 == 1]


def products(chance: random.Random) -> Iterator[Row]:
    things = list(THINGS.items())
    for pk in range(1, 301):
        thing, (least, most) = things[pk % len(things)]
        price = Decimal(chance.randint(least * 100, most * 100)) / 100
        yield [pk, f"SKU-{pk:04d}", f"{thing}, no. {pk}", price, "EUR", pk % 50 != 0]


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
    step = SPAN / max(size.orders, 1)
    revision = [0] * (size.companies + 1)
    line_pk = event_pk = 0
    for pk in range(1, size.orders + 1):
        company = company_of_order(size, pk)
        revision[company] += 1
        placed_at = size.end - SPAN + step * pk
        user = chance.choice(users_of[company])
        status = chance.choices([Status.FULFILLED, Status.APPROVED, Status.PLACED, Status.CANCELLED], (70, 12, 12, 6))[
            0
        ]
        age = size.end - placed_at
        if status == Status.FULFILLED and age < DELIVERY:
            status = Status.PLACED
        updated_at = placed_at if status == Status.PLACED else placed_at + min(age, DELIVERY) * chance.random()
        lines: list[Row] = []
        total = Decimal(0)
        for position in range(1, 1 + chance.choices([1, 2, 3, 4, 5, 6, 7], (5, 12, 20, 26, 20, 12, 5))[0]):
            _, sku, name, price, _, _ = chance.choice(catalogue)
            quantity = chance.randint(1, 20)
            total += quantity * price
            line_pk += 1
            lines.append([line_pk, pk, position, sku, name, quantity, price, quantity * price])
        events: list[Row] = []
        steps = [(OrderEvent.Kind.PLACED, placed_at), (status, updated_at)]
        for kind, at in steps[:1] if status == Status.PLACED else steps:
            event_pk += 1
            events.append([event_pk, pk, user, str(kind), "{}", at])
        number = f"{placed_at.year}-{revision[company]:08d}"
        yield (
            [pk, company, chance.choice(offices_of[company]), user, number, str(status), "EUR", total, placed_at,
             updated_at, revision[company], *place(chance), None, ""],
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
