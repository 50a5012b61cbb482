"""Every column that an answer shows raises a revision that the answer goes by.

What is shown is derived from the serializers, down to `@needs`, nested ones and `?expand=`; whether a change is seen is
tried on a row of the database, with the triggers that it has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import Model
from rest_framework import serializers

from api.shaping import needs
from api.views import ShapedViewSet
from businesses.models import Address, Company, Office, User
from businesses.serializers import MeSerializer, PersonBriefSerializer, PersonSerializer
from businesses.views import MeViewSet
from orders.models import Order, OrderEvent, OrderLine, Product
from orders.serializers import OrderEventSerializer, OrderSerializer
from orders.views import OrderViewSet, ProductViewSet
from tests.caching.shown import World, model_of, related, shaped_views, shown
from tests.config.processes import started

pytestmark = pytest.mark.django_db(transaction=True)

Patch = pytest.MonkeyPatch
OF_PEOPLE = {column.name for column in User._meta.local_concrete_fields} - {"id", "last_login", "password"}


@pytest.mark.parametrize("view", shaped_views(), ids=lambda view: view.__name__)
def test_a_change_of_every_column_that_is_shown_is_seen(view: type[ShapedViewSet]) -> None:
    lines = World().unseen(view)
    assert not lines, "\n".join(lines)


def test_no_serializer_of_rows_is_left_out() -> None:
    def subclasses(of: Any) -> Iterator[Any]:
        for one in of.__subclasses__():
            yield from (one, *subclasses(one))

    written = {
        one for one in subclasses(serializers.ModelSerializer) if one.__module__.startswith(("businesses.", "orders."))
    }
    met = {read.serializer for view in shaped_views() for read in shown(view.serializer_class(), model_of(view))}
    assert written - met == set()


@pytest.mark.parametrize("column", sorted(OF_PEOPLE))
def test_any_column_of_a_person_may_be_shown(monkeypatch: Patch, column: str) -> None:
    monkeypatch.setattr(PersonSerializer.Meta, "fields", ["id", "name", column])
    assert World().unseen(OrderViewSet) == []


# --- It can fail: whichever way a column that raises nothing is shown, it is found and named


def by_a_field(patch: Patch) -> str:
    patch.setattr(PersonSerializer.Meta, "fields", ["id", "name", "last_login"])
    return "PersonSerializer.last_login shows User.last_login, at placed_by"


def by_a_property(patch: Patch) -> str:
    seen = needs("name", "last_login")(lambda user: f"{user.name} {user.last_login}")
    patch.setattr(User, "seen", property(seen), raising=False)
    patch.setitem(PersonBriefSerializer._declared_fields, "name", serializers.CharField(source="seen", read_only=True))
    return "PersonBriefSerializer.name shows User.last_login, at placed_by"


def by_a_method(patch: Patch) -> str:
    method: Any = needs("status", "placed_by.last_login")(lambda serializer, order: [])
    patch.setattr(OrderSerializer, "get_allowed_transitions", method)
    return "OrderSerializer.allowed_transitions shows User.last_login, at placed_by"


def by_a_need_of_many(patch: Patch) -> str:
    method: Any = needs("events.actor.last_login")(lambda serializer, order: [])
    patch.setattr(OrderSerializer, "get_allowed_transitions", method)
    return "OrderSerializer.allowed_transitions shows User.last_login, at events.actor"


def by_an_expansion(patch: Patch) -> str:
    class SignInSerializer(serializers.ModelSerializer[User]):
        class Meta:
            model = User
            fields = ["last_login"]

    patch.setattr(OrderEventSerializer.Meta, "expandable", {"actor": lambda: SignInSerializer(read_only=True)})
    return "SignInSerializer.last_login shows User.last_login, at events.actor"


def by_another_source(patch: Patch) -> str:
    declared = serializers.DateTimeField(source="placed_by.last_login", read_only=True)
    patch.setitem(OrderSerializer._declared_fields, "date", declared)
    return "OrderSerializer.date shows User.last_login, at placed_by"


@pytest.mark.parametrize(
    "show",
    [by_a_field, by_a_property, by_a_method, by_a_need_of_many, by_an_expansion, by_another_source],
    ids=lambda show: show.__name__,
)
def test_a_column_whose_change_raises_nothing_is_named(monkeypatch: Patch, show: Callable[[Patch], str]) -> None:
    line = show(monkeypatch)
    assert line in World().unseen(OrderViewSet)


def test_one_that_only_its_user_is_shown_is_named_too(monkeypatch: Patch) -> None:
    monkeypatch.setattr(MeSerializer.Meta, "fields", ["id", "last_login", "name", "address", "memberships"])
    assert World().unseen(MeViewSet) == ["MeSerializer.last_login shows User.last_login, at top"]


@pytest.mark.parametrize("model", [Order, OrderLine, OrderEvent, Company, Office, User, Address, Product])
def test_without_the_triggers_of_a_table_all_its_columns_are_named(model: type[Model]) -> None:
    world, view = World(), ProductViewSet if model is Product else OrderViewSet
    plain = {field.name for field in model._meta.local_concrete_fields if not field.is_relation and not field.generated}
    reads = shown(view.serializer_class(), model_of(view))
    shows = {read.column for read in reads if related(model_of(view), read.path) is model and read.column in plain}
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {model._meta.db_table} DISABLE TRIGGER USER")
        try:
            lines = "\n".join(world.unseen(view))
        finally:
            cursor.execute(f"ALTER TABLE {model._meta.db_table} ENABLE TRIGGER USER")
    named = set(re.findall(rf" shows {model.__name__}\.(\w+)", lines))
    keys = {"id"} | ({"revision"} if model is Company else set())  # the revision is what answers go by
    assert shows - keys
    assert named >= shows - keys


# --- SQLite, which has triggers of its own

ON_SQLITE = """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from businesses.serializers import PersonSerializer
from tests.caching.shown import World, shaped_views
from tests.caching.test_shown_columns import OF_PEOPLE

world = World()
PersonSerializer.Meta.fields = ["id", "name", *sorted(OF_PEOPLE)]
assert [line for view in shaped_views() for line in world.unseen(view)] == []
PersonSerializer.Meta.fields = ["id", "name", "last_login"]
assert [line for view in shaped_views() for line in world.unseen(view)]
"""


def test_it_is_the_same_on_sqlite(tmp_path: Path) -> None:
    sqlite = f"sqlite:///{tmp_path / 'orders.sqlite3'}"
    with started(
        "-c", ON_SQLITE, DJANGO_SETTINGS_MODULE="config.settings", DATABASE_URL=sqlite, REDIS_URL=""
    ) as process:
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
