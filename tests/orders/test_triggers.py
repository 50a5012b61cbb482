"""The database's triggers outlive migrations, and what lost some gets them back."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.db import connection, transaction

from api.triggers import Function, after_migrate, declared, lacking
from tests.config.processes import started
from tests.orders.schema_changes import CHANGES, REFUSED, Outcome, numbers, outcome, rows, triggers


@pytest.fixture
def spare(transactional_db: None) -> int:
    return rows()


@pytest.fixture
def afterwards(spare: int) -> Iterator[None]:
    """Whatever a test does to the triggers, the next one has them all."""
    yield
    call_command("migrate", verbosity=0)


def on_sqlite(folder: Path, *arguments: str) -> str:
    """What Python with these arguments prints, with an SQLite database of its own."""
    sqlite = f"sqlite:///{folder / 'orders.sqlite3'}"
    variables = {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": sqlite, "REDIS_URL": ""}
    with started(*arguments, **variables) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


def execute(sql: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql)


def warnings() -> list[str]:
    return [found.msg for found in run_checks(tags=["database"], databases=["default"]) if found.id == "api.W001"]


def migrate(*arguments: str) -> str:
    output = io.StringIO()
    call_command("migrate", *arguments, stdout=output)
    return output.getvalue()


# --- Migrations leave them alone


@pytest.fixture(scope="module")
def changed_on_sqlite(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    output = on_sqlite(tmp_path_factory.mktemp("sqlite"), "-m", "tests.orders.schema_changes")
    return {name: Outcome(**found) for name, found in json.loads(output).items()}


def expected(name: str, *, refused: bool) -> Outcome:
    return Outcome(raised=["companies"] if CHANGES[name].raises else [], refused=[refused] * len(REFUSED))


@pytest.mark.parametrize("name", CHANGES)
def test_on_sqlite_every_trigger_is_at_work_after_a_change(changed_on_sqlite: dict[str, Outcome], name: str) -> None:
    assert changed_on_sqlite[name] == expected(name, refused=False)


@pytest.mark.parametrize("name", [name for name in CHANGES if not CHANGES[name].renames])
def test_on_postgresql_every_trigger_is_at_work_after_a_change(spare: int, name: str) -> None:
    with transaction.atomic():
        found = outcome(CHANGES[name], spare)
        transaction.set_rollback(True)
    assert found == expected(name, refused=True)


def test_on_postgresql_a_function_that_names_what_is_gone_fails_loudly(spare: int) -> None:
    """Its text is not rewritten. Who renames what it names declares it anew, and the same `migrate` makes it."""
    with transaction.atomic():
        found = outcome(CHANGES["renamed foreign key"], spare)
        transaction.set_rollback(True)
    assert "e.actor_id does not exist" in found.error


# --- `migrate` makes what is missing


@pytest.mark.django_db
def test_what_is_declared_is_what_the_database_has() -> None:
    assert lacking(connection) == []
    assert warnings() == []


@pytest.mark.parametrize(
    ("loss", "named", "raises"),
    [
        (
            "DROP TRIGGER revision_update ON orders_orderline",
            "trigger revision_update of orders_orderline",
            "companies",
        ),
        (
            "ALTER TABLE businesses_office DISABLE TRIGGER ALL",
            "trigger revision_insert of businesses_office",
            "companies",
        ),
        ("DROP TRIGGER revision ON businesses_user", "trigger revision of businesses_user", "users"),
        ("DROP TRIGGER revision ON orders_product", "trigger revision of orders_product", "catalogue"),
        (
            "DROP TRIGGER memberships_revision_delete ON businesses_membership",
            "trigger memberships_revision_delete of businesses_membership",
            "memberships",
        ),
        (
            "DROP TRIGGER order_events_are_append_only ON orders_orderevent",
            "trigger order_events_are_append_only of orders_orderevent",
            "",
        ),
        ("DROP FUNCTION bump_companies", "function bump_companies", ""),
        ("DROP FUNCTION bump_user_of_address CASCADE", "trigger revision_of_user of businesses_address", "users"),
    ],
)
def test_what_is_missing_is_named_and_made(afterwards: None, loss: str, named: str, raises: str) -> None:
    everything = triggers()
    execute(loss)
    assert f"Database 'default': the {named} is missing." in warnings()
    before = numbers()
    assert f"Created the {named}" in migrate()
    assert triggers() == everything
    assert lacking(connection) == []
    if raises:  # what was written without the trigger is seen from now on
        assert numbers()[raises] > before[raises]
    after = numbers()
    assert "the function" not in (output := migrate())
    assert "the trigger" not in output
    assert numbers() == after


def test_an_older_definition_is_brought_up_to_date_and_nothing_else_is_touched(afterwards: None) -> None:
    first = import_module("orders.migrations.0003_revisions").POSTGRESQL
    _, _, rest = first.partition("CREATE FUNCTION bump_changed_user")
    execute("CREATE OR REPLACE FUNCTION bump_changed_user" + rest[: rest.index("CREATE TRIGGER")])
    assert warnings() == ["Database 'default': the function bump_changed_user is different."]
    before = numbers()
    output = migrate()
    assert "Replaced the function bump_changed_user, which was different" in output
    assert output.count("the function") == 1
    assert "the trigger" not in output
    assert numbers() == before


def test_a_database_of_the_migrations_alone_needs_no_lock_of_a_table(afterwards: None) -> None:
    """The triggers that migrations made are the declared ones. Only functions have changed since."""
    for migration, constant in (
        ("businesses.migrations.0005_memberships_revision", "POSTGRESQL"),
        ("orders.migrations.0003_revisions", "POSTGRESQL"),
    ):
        text = getattr(import_module(migration), constant)
        for part in text.split("CREATE FUNCTION ")[1:]:
            execute("CREATE OR REPLACE FUNCTION " + part.partition("CREATE TRIGGER")[0])
    assert [part for part, _ in lacking(connection)] == [
        part
        for key, part in declared["postgresql"].items()
        if key in {("", "note_bumped_company"), ("", "bump_changed_user"), ("", "bump_memberships")}
    ]
    assert all(isinstance(part, Function) for part, _ in lacking(connection))


def test_migrations_forth_and_back_find_what_they_expect(afterwards: None) -> None:
    everything = triggers()
    call_command("migrate", "businesses", "0004", verbosity=0)
    assert len(everything) - len(triggers()) == 3
    assert warnings() == []  # there are migrations to be applied
    call_command("migrate", "businesses", verbosity=0)
    assert triggers() == everything


@pytest.mark.django_db
def test_a_flush_asks_for_no_triggers(django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        after_migrate(using="default", verbosity=1)


HEALED_ON_SQLITE = """
import django
django.setup()
from django.core.management import call_command
from django.db import connection, migrations
from api.triggers import lacking
from tests.orders.schema_changes import Change, make, numbers, rows, triggers

call_command("migrate", "businesses", verbosity=0)
assert triggers() == {name for name in triggers() if name.startswith("memberships_revision")}
call_command("migrate", verbosity=0)
rows()
everything = triggers()
assert len(everything) == 28, everything
assert lacking(connection) == []
with connection.cursor() as cursor:
    for name in ("revision_orders_orderline_UPDATE", "revision_of_user", "revision_of_catalogue_INSERT"):
        cursor.execute(f"DROP TRIGGER {name}")
    cursor.execute("CREATE TRIGGER revision_of_user AFTER UPDATE OF username ON businesses_user BEGIN SELECT 1; END")
assert len(lacking(connection)) == 3
before = numbers()
call_command("migrate", verbosity=0)
assert triggers() == everything
assert lacking(connection) == []
after = numbers()
assert {name for name in after if after[name] > before[name]} == {"companies", "catalogue"}, (before, after)
call_command("migrate", verbosity=0)
assert numbers() == after
call_command("migrate", "businesses", "0004", verbosity=0)
assert len(triggers()) == 24
call_command("migrate", verbosity=0)
assert triggers() == everything
assert lacking(connection) == []
make(Change("businesses", [migrations.RemoveField("user", "revision")]))  # which triggers name
assert triggers() == everything
"""


def test_it_is_the_same_on_sqlite(tmp_path: Path) -> None:
    on_sqlite(tmp_path, "-c", HEALED_ON_SQLITE)
