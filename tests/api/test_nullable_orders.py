"""Orders by nullable columns: every row once, in both directions, whoever answers, on both databases."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any
from uuid import UUID

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection, connections, models
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.test.utils import isolate_apps
from django.urls import path
from rest_framework import serializers

from api import checks, keyset
from api.keyset import Cursor, Order, Page
from businesses.models import Membership, Office
from orders.models import Order as PlacedOrder
from orders.views import OrderViewSet
from tests import factories

with isolate_apps("api"):

    class Team(models.Model):
        name = models.CharField(max_length=20)
        objects: Any = models.Manager()

        class Meta:
            app_label = "api"
            ordering = ["-name"]

        def __str__(self) -> str:
            return self.name

    class Task(models.Model):
        team = models.ForeignKey(Team, models.CASCADE, null=True, db_constraint=False)
        kind = models.IntegerField()
        title = models.CharField(max_length=20)
        code = models.CharField(max_length=20, unique=True)
        rank = models.IntegerField(null=True)
        due = models.DateField(null=True, db_column="due_on")
        cost = models.DecimalField(max_digits=8, decimal_places=2, null=True)
        begun = models.DateTimeField(null=True)
        at = models.TimeField(null=True)
        lasts = models.DurationField(null=True)
        done = models.BooleanField(null=True)
        ref = models.UUIDField(null=True)
        note = models.CharField(max_length=20, null=True)  # noqa: DJ001 null is the point
        nickname = models.CharField(max_length=20, null=True, unique=True)  # noqa: DJ001
        blob = models.BinaryField(null=True)
        objects: Any = models.Manager()

        class Meta:
            app_label = "api"
            constraints = [
                models.UniqueConstraint(fields=["kind", "title"], name="task_title"),
                models.UniqueConstraint(fields=["kind", "rank"], name="task_rank"),
                models.UniqueConstraint(fields=["title"], condition=models.Q(kind=1), name="task_first_title"),
            ]

        def __str__(self) -> str:
            return self.title


class TaskSerializer(serializers.ModelSerializer[Task]):
    class Meta:
        model = Task
        fields = ["id"]


VALUES: dict[str, list[Any]] = {
    "team_id": [1, 2],
    "rank": [-1, 0, 5],
    "due": [date(2026, 1, 31), date(2026, 2, 1)],
    "cost": [Decimal("0.10"), Decimal("12.00")],
    "begun": [datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)],
    "at": [time(8), time(23, 59, 59, 1)],
    "lasts": [timedelta(microseconds=1), timedelta(days=2)],
    "done": [False, True],
    "ref": [UUID(int=1), UUID(int=2)],
    "note": ["", "a", "b"],
}
ROWS = 40


def fill(alias: str) -> None:
    with connections[alias].schema_editor(atomic=False) as editor:
        editor.create_model(Team)
        editor.create_model(Task)
    Team.objects.using(alias).bulk_create([Team(name="first"), Team(name="second")])
    chance = random.Random(7)
    tasks = [
        Task(
            kind=10 + number % 2,
            title=f"{number}",
            code=f"{number}",
            **{name: chance.choice([None, None, *values]) for name, values in VALUES.items() if name != "rank"},
            rank=None if number % 3 else chance.randrange(10**6),
        )
        for number in range(ROWS)
    ]
    Task.objects.using(alias).bulk_create(tasks)


@pytest.fixture
def sqlite(db: None) -> Iterator[str]:
    """The alias of an SQLite database in memory beside the tests' own."""
    settings = connection.settings_dict | {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "OPTIONS": {}}
    connections["lite"] = DatabaseWrapper(settings, "lite")
    connections["lite"].disable_constraint_checking()
    fill("lite")
    yield "lite"
    connections["lite"].close()
    del connections["lite"]


@pytest.fixture
def postgresql(db: None) -> str:
    fill("default")
    return "default"


Turn = Callable[[Order, Cursor | None, int], Page[int]]


def by_orm(alias: str) -> Turn:
    def turn(order: Order, cursor: Cursor | None, limit: int) -> Page[int]:
        found = keyset.page(Task.objects.using(alias).all(), order, carried(cursor, order), limit)
        return Page([task.pk for task in found.rows], found.next, found.previous)

    return turn


def carried(cursor: Cursor | None, order: Order) -> Cursor | None:
    """What a client gave back."""
    return cursor and keyset.decode(keyset.encode(cursor, "x"), "x", Task, order)


def walk(turn: Turn, order: Order, limit: int) -> list[int]:
    """Every key from the first page to the last; going back from there gives the same ones."""
    pages, cursor = [], None
    while True:
        page = turn(order, cursor, limit)
        pages.append(page.rows)
        if page.next is None:
            break
        cursor = page.next
    back = [pages[-1]]
    while page.previous:
        page = turn(order, page.previous, limit)
        back.append(page.rows)
    assert [*chain(*reversed(back))] == [*chain(*pages)]
    return [*chain(*pages)]


def expected(order: Order) -> list[int]:
    """As Python sorts them: None is greater than everything."""
    names = ["team_id" if name == "team" else name for name in order.columns]
    rows = sorted(Task.objects.all(), key=lambda task: [Last(getattr(task, name)) for name in names])
    return [task.pk for task in (reversed(rows) if order.descending else rows)]


class Last:
    """Sorts as `value`, and after everything if that is None."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __eq__(self, other: Any) -> bool:
        return bool(self.value == other.value)

    def __lt__(self, other: Any) -> bool:
        if self.value is None or other.value is None:
            return self.value is not None
        return bool(self.value < other.value)


ORDERS = [
    *((name, "id") for name in VALUES),
    ("team", "id"),
    ("team", "pk"),
    ("note", "due", "id"),
    ("kind", "note", "id"),
    ("note", "kind", "id"),
    ("note", "rank", "done", "id"),
    ("kind", "note", "team", "kind", "due", "id"),
    ("kind", "title"),
    ("note", "code"),
    ("kind", "id"),
]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("columns", ORDERS, ids="-".join)
def test_every_row_comes_once_whoever_answers(
    postgresql: str, sqlite: str, columns: tuple[str, ...], descending: bool
) -> None:
    order = Order(columns, descending=descending)
    want = expected(order)
    assert len(want) == ROWS
    for limit in (1, 3, 100):
        assert walk(by_orm(postgresql), order, limit) == want
        assert walk(by_orm(sqlite), order, limit) == want


def test_a_page_is_read_from_an_index_at_any_depth(postgresql: str) -> None:
    """Each range behind a cursor is one of an index: nothing that it finds is left out or sorted."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE INDEX ON api_task (note, id)")
        for way in ("seqscan", "bitmapscan", "sort"):
            cursor.execute(f"SET LOCAL enable_{way} = off")
    for descending in (False, True):
        order = Order(("note", "id"), descending=descending)
        for value in ("a", None):
            columns = keyset.columns_of(Task, order)
            for part in keyset.ranges(columns, order.beyond(backwards=False), (value, 9)):
                plan = Task.objects.filter(part).order_by(*order.terms(Task))[:5].explain()
                assert "Index Cond" in plan
                assert "Filter" not in plan and "Sort" not in plan, plan


def test_what_is_never_null_is_asked_for_as_ever() -> None:
    order = Order(("placed_at", "id"), descending=True)
    (part,) = keyset.ranges(keyset.columns_of(PlacedOrder, order), "<", (datetime(2026, 1, 1, tzinfo=UTC), 7))
    sql = str(PlacedOrder.objects.filter(part).order_by(*order.terms(PlacedOrder)).query)
    assert "OR" not in sql.partition("WHERE")[2].partition("ORDER BY")[0]
    assert "NULL" not in sql
    assert '("orders_order"."placed_at", "orders_order"."id") < (2026' in sql
    assert sql.endswith('ORDER BY "orders_order"."placed_at" DESC, "orders_order"."id" DESC')


@pytest.mark.django_db
def test_a_relation_is_ordered_by_its_key_and_asks_for_no_row(django_assert_num_queries: Any) -> None:
    office = factories.office()
    factories.member(office)
    factories.member(office.company)
    with django_assert_num_queries(3):  # the second page goes past the last one with an office
        found = keyset.page(Membership.objects.all(), Order(("office", "id")), None, 1)
        rest = keyset.page(Membership.objects.all(), Order(("office", "id")), found.next, 1)
    assert [found.rows[0].office_id, rest.rows[0].office_id] == [office.pk, None]


def test_a_cursor_without_a_value_for_a_column_that_has_one_is_refused() -> None:
    text = keyset.encode(Cursor((None, 1)), "x")
    assert keyset.decode(text, "x", Task, Order(("rank", "id"))) == Cursor((None, 1))
    for columns in (("kind", "id"), ("id", "rank")):
        with pytest.raises(serializers.ValidationError):
            keyset.decode(keyset.encode(Cursor((None, None)), "x"), "x", Task, Order(columns))


REFUSED = [
    ((), "nothing is not unique"),
    (("kind",), "kind is not unique"),
    (("rank",), "rank is not unique"),
    (("id_", "id"), "id_ is no column of Task"),
    (("team__name", "id"), "team__name is no column of Task"),
    (("nickname",), "nickname is not unique"),
    (("kind", "rank"), "rank is not unique"),
    (("title",), "title is not unique"),
    (("blob", "id"), "blob has no order"),
]


@pytest.mark.parametrize(("columns", "reason"), REFUSED)
def test_an_order_that_would_lose_rows_is_refused(columns: tuple[str, ...], reason: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=reason):
        keyset.columns_of(Task, Order(columns))


@pytest.mark.parametrize(("model", "columns"), [(Office, ("company", "id")), (Task, ("kind", "title"))])
def test_a_total_order_is_not(model: Any, columns: tuple[str, ...]) -> None:
    assert len(keyset.columns_of(model, Order(columns))) == 2


class LosingViewSet(OrderViewSet):
    orderings = {
        "date": Order(("date", "id")),
        "-currency": Order(("id", "currency"), descending=True),
        "currency": Order(("currency",)),
        "office": Order(("office__name", "id")),
    }


class Losing:
    urlpatterns = [
        path("orders", LosingViewSet.as_view({"get": "list"})),
        path("orders/again", LosingViewSet.as_view({"get": "list"})),
    ]


def test_the_check_names_view_ordering_and_column(settings: Any) -> None:
    assert checks.orders(None) == []
    settings.ROOT_URLCONF = Losing
    said = [f"{error.id} {error.msg}" for error in checks.orders(None)]
    assert len(said) == 2
    assert said[0].startswith("api.E001 LosingViewSet.orderings['currency']: rows with equal values of currency have")
    assert said[0].endswith("currency is not unique. Add id as the last column.")
    assert said[1] == "api.E001 LosingViewSet.orderings['office']: office__name is no column of Order."


def test_every_command_runs_the_check(settings: Any) -> None:
    settings.ROOT_URLCONF = Losing
    with pytest.raises(SystemCheckError, match="LosingViewSet"):
        call_command("check")
