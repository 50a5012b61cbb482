"""Companies, people of every role, requests to make as them, and writers who change what is shown.

What a writer changes carries a mark, `kind.company.key.number`, in the name that is shown. The number
rises with each write, and the ledger knows which numbers were tried and which are committed. So any
answer can be judged by itself: a number below the one that was committed before the request began is
old, one above those tried was never written, and a company that the reader may not see is a leak.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import Model
from psycopg2.errors import DeadlockDetected

from api.exceptions import Conflict
from businesses.models import Address, Membership, Role, User
from businesses.scope import Scope, scope_of
from orders import services
from orders.models import Order
from orders.states import Status
from tests import factories

MARK = re.compile(rb"\b(\w+)\.(\d+)\.(\d+)\.(\d+)\b")
COPIES = re.compile(rb'"ship_to":\{[^}]*\}|"lines":\[[^\]]*\]')  # made when an order is placed; they may be old
GROUPS = ("office", "company", "status", "month")


class Undone(Exception):  # noqa: N818
    """Rolls a write back."""


@dataclass
class Ledger:
    """What was written: the highest number tried and committed for each mark, and how many writes began and ended."""

    tried: Counter[bytes] = field(default_factory=Counter)
    committed: Counter[bytes] = field(default_factory=Counter)
    begun: int = 0
    ended: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def writing(self) -> Iterator[None]:
        with self.lock:
            self.begun += 1
        try:
            yield
        finally:
            with self.lock:
                self.ended += 1

    def still(self) -> int | None:
        """The number of writes so far; None while one is under way."""
        with self.lock:
            return self.begun if self.begun == self.ended else None

    def mark(self, kind: str, company: int, key: int) -> tuple[bytes, str]:
        name = f"{kind}.{company}.{key}"
        with self.lock:
            self.tried[name.encode()] += 1
            return name.encode(), f"{name}.{self.tried[name.encode()]}"

    def seen(self) -> Counter[bytes]:
        with self.lock:
            return self.committed.copy()


class World:
    """Three companies and whoever belongs to them."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.companies = [factories.company(name=f"company{number}") for number in range(3)]
        self.offices = [factories.office(self.companies[number]) for number in (0, 0, 0, 1, 1, 2)]
        self.products = [factories.product() for _ in range(3)]
        one, two, three = self.companies
        self.buyers = [factories.member(one, Role.BUYER) for _ in range(2)]
        self.people: list[User] = [
            *self.buyers,
            factories.member(one, Role.OWNER),
            *(factories.member(one, Role.VIEWER) for _ in range(2)),
            factories.member(two, Role.APPROVER),
            factories.member(three, Role.OWNER),
            factories.member(self.offices[0], Role.VIEWER),
            factories.member(self.offices[1], Role.BUYER),
            factories.member(self.offices[3], Role.APPROVER),
            factories.user(),
        ]
        self.bosses = {one.pk: self.people[2], two.pk: self.people[5], three.pk: self.people[6]}
        both = factories.member(one, Role.VIEWER)
        Membership.objects.create(user=both, company=two, role=Role.BUYER)
        self.placers = [*self.buyers, both]
        self.moving = factories.member(one, Role.VIEWER)
        self.people += [both, self.moving]
        self.may_see = {person.pk: set(person.memberships.values_list("company", flat=True)) for person in self.people}
        self.may_see[self.moving.pk] |= {two.pk}
        for number, office in enumerate(self.offices * 2):
            factories.order(office, self.placers[number % 3], lines=1)
        self.orders = list(Order.objects.all())
        self.changes = [self.rename, self.rename, self.rename, self.order, self.move, self.change_role]
        self.kinds: list[tuple[str, str, list[Any]]] = [
            ("company", "name", self.companies),
            ("office", "name", self.offices),
            ("product", "name", self.products),
            ("user", "last_name", self.placers),
            ("address", "city", self.placers),
        ]

    def urls(self, chance: Random, number: int) -> list[str]:
        """Requests of every kept endpoint: as plain as they come, then with whatever they take."""
        plain = [
            f"/api/{path}" for path in ("orders", "companies", "offices", "products", "orders/summary?group_by=office")
        ]
        plain += [f"/api/orders/{order.pk}" for order in self.orders[:3]]
        return plain + [
            chance.choice([self.order_list, self.summary, self.detail, self.other])(chance) for _ in range(number)
        ]

    def order_list(self, chance: Random) -> str:
        paging = self.paging(chance, "placed_at", "number")
        return f"/api/orders?{'&'.join([*self.filters(chance), *self.selection(chance), *paging])}"

    def summary(self, chance: Random) -> str:
        return f"/api/orders/summary?{'&'.join([f'group_by={chance.choice(GROUPS)}', *self.filters(chance)])}"

    def detail(self, chance: Random) -> str:
        return f"/api/orders/{chance.choice(self.orders).pk}?{'&'.join(self.selection(chance))}"

    def other(self, chance: Random) -> str:
        kind, order = chance.choice([("offices", "name"), ("companies", "name"), ("products", "sku")])
        if kind != "products" and chance.random() < 0.3:
            rows: list[Any] = getattr(self, kind)
            return f"/api/{kind}/{chance.choice(rows).pk}"
        return f"/api/{kind}?{'&'.join(self.paging(chance, order))}"

    def filters(self, chance: Random) -> list[str]:
        choices = [
            f"status={chance.choice(Status.values)}",
            f"office={chance.choice(self.offices).pk}&office={chance.choice(self.offices).pk}",
            f"company={chance.choice(self.companies).pk}",
            f"placed_by={chance.choice(self.people).pk}",
            f"date_after=202{chance.randrange(4, 7)}-01-01",
        ]
        return chance.sample(choices, chance.choice([0, 0, 1, 2]))

    def selection(self, chance: Random) -> list[str]:
        expand = chance.sample(["company", "office", "placed_by", "events"], chance.choice([0, 0, 1, 2]))
        fields = ["id,status,allowed_transitions", "number,lines.name,company", "address,office.city,version,placed_by"]
        some = [f"expand={','.join(expand)}"] if expand else []
        return some + ([f"fields={chance.choice(fields)}"] if not expand and chance.random() < 0.4 else [])

    def paging(self, chance: Random, *orders: str) -> list[str]:
        some = [f"limit={chance.randrange(1, 6)}"] if chance.random() < 0.7 else []
        return some + ([f"ordering={chance.choice(['', '-'])}{chance.choice(orders)}"] if chance.random() < 0.4 else [])

    # --- Writes

    def write(self, chance: Random, writer: int) -> None:
        """One transaction, sometimes rolled back. Of what is marked, each writer has its own half."""
        change = chance.choice(self.changes)
        try:
            with self.ledger.writing():
                change(chance, writer)
        except Conflict:
            return
        except OperationalError as error:
            if not isinstance(error.__cause__, DeadlockDetected):
                raise  # two that touch several companies, one after the other, may meet; one of them is rolled back

    def rename(self, chance: Random, writer: int) -> None:
        changed = [chance.choice(self.kinds) for _ in range(chance.choice([1, 1, 2]))]
        rows = [
            (kind, column, chance.choice(rows[writer::2]))
            for kind, column, rows in dict.fromkeys((kind, column, tuple(rows)) for kind, column, rows in changed)
        ]
        rows.sort(key=lambda entry: (entry[0], entry[2].pk))
        undone, marks = chance.random() < 0.2, []
        try:
            with transaction.atomic():
                for kind, column, row in rows:
                    mark, text = self.ledger.mark(kind, self.owner(kind, row), row.pk)
                    marks.append((mark, int(text.rpartition(".")[2])))
                    model: type[Model] = Address if kind == "address" else type(row)
                    key = {"user": row.pk} if kind == "address" else {"pk": row.pk}
                    model._default_manager.filter(**key).update(**{column: text})
                if undone:
                    raise Undone
        except Undone:
            return
        with self.ledger.lock:
            self.ledger.committed |= Counter(dict(marks))

    def owner(self, kind: str, row: Any) -> int:
        """The company whose members alone may see this; 0 for what others see too."""
        return int({"company": row.pk, "office": getattr(row, "company_id", 0)}.get(kind, 0))

    def order(self, chance: Random, writer: int) -> None:
        buyer = self.buyers[writer]
        lines: Any = [{"sku": chance.choice(self.products).sku, "quantity": chance.randrange(1, 9)}]
        services.place(scope=scope(buyer), office=chance.choice(self.offices[:3]).pk, lines=lines)

    def move(self, chance: Random, writer: int) -> None:
        found = Order.objects.filter(status__in=[Status.PLACED, Status.APPROVED]).order_by("?").first()
        if found is None:
            Order.objects.filter(pk__in=[order.pk for order in self.orders]).update(status=Status.PLACED)
            return
        boss = scope(self.bosses[found.company_id])
        to = chance.choice([Status.APPROVED, Status.CANCELLED, Status.FULFILLED])
        services.move(scope=boss, order=found, to=to, version=found.revision)

    def change_role(self, chance: Random, writer: int) -> None:
        place: Callable[[], Any] = lambda: chance.choice(  # noqa: E731
            [(self.companies[0], None), (self.companies[0], self.offices[1]), (self.companies[1], self.offices[4])]
        )
        company, office = place()
        with transaction.atomic():
            Membership.objects.filter(user=self.moving).delete()
            if chance.random() < 0.9:
                role = chance.choice(Role.values)
                Membership.objects.bulk_create(
                    [Membership(user=self.moving, company=company, office=office, role=role)], ignore_conflicts=True
                )


def scope(user: User) -> Scope:
    return scope_of(user.pk, user.memberships.values_list("company", "office", "role", "company__revision"))
