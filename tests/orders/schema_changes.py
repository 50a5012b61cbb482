"""Changes of tables as migrations make them, and whether each trigger is there afterwards and does what it is for.

On SQLite, whose settings have to be a process' own: `python -m tests.orders.schema_changes`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connection, connections, migrations, models, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.operations.base import Operation

TEXT = models.CharField(max_length=50, default="-")
PRODUCT = models.ForeignKey("orders.Product", models.PROTECT, null=True)
STREETS = "UPDATE businesses_office SET street = 'New'"


@dataclass(frozen=True)
class Change:
    """A migration of one app, what it renames that triggers name, and whether it writes rows that raise companies."""

    app: str
    operations: list[Operation]
    renames: tuple[str, str] | None = None
    raises: bool = False

    def renamed(self, sql: str) -> str:
        return sql.replace(*self.renames) if self.renames else sql


CHANGES = {
    "wider column": Change("orders", [migrations.AlterField("orderline", "sku", models.CharField(max_length=50))]),
    "column that may not be null": Change("orders", [migrations.AddField("order", "note", TEXT)]),
    "column that may be null": Change("orders", [migrations.AddField("order", "note", models.TextField(null=True))]),
    "column of users": Change("businesses", [migrations.AddField("user", "nickname", TEXT)]),
    "column of companies": Change("businesses", [migrations.AddField("company", "note", TEXT)]),
    "column of memberships": Change("businesses", [migrations.AddField("membership", "note", TEXT)]),
    "column of addresses": Change("businesses", [migrations.AddField("address", "note", TEXT)]),
    "column of products": Change("orders", [migrations.AddField("product", "note", TEXT)]),
    "wider column of events": Change("orders", [migrations.AlterField("orderevent", "kind", TEXT)]),
    "foreign key": Change("orders", [migrations.AddField("orderline", "product", PRODUCT)]),
    "renamed column": Change("businesses", [migrations.RenameField("user", "first_name", "given_name")]),
    "renamed foreign key": Change(
        "orders", [migrations.RenameField("orderevent", "actor", "person")], renames=("actor_id", "person_id")
    ),
    "renamed table": Change(
        "orders",
        [migrations.RenameModel("OrderEvent", "Happening")],
        renames=("orders_orderevent", "orders_happening"),
    ),
    "renamed and wider": Change(
        "businesses",
        [
            migrations.RenameField("office", "city", "town"),
            migrations.AlterField("office", "town", models.CharField(max_length=120)),
        ],
    ),
    "column that goes": Change("businesses", [migrations.RemoveField("user", "last_name")]),
    "two of them": Change(
        "orders",
        [
            migrations.AddField("order", "note", TEXT),
            migrations.AlterField("orderline", "name", models.CharField(max_length=300)),
        ],
    ),
    "constraint that goes": Change("orders", [migrations.RemoveConstraint("orderline", "line_quantity_is_positive")]),
    "rows written after it": Change(
        "businesses",
        [
            migrations.AlterField("office", "street", models.CharField(max_length=300)),
            migrations.RunSQL(STREETS, migrations.RunSQL.noop),
        ],
        raises=True,
    ),
}

COMPANIES, USERS, CATALOGUE, MEMBERSHIPS = "companies", "users", "catalogue", "memberships"
WRITES = {
    "UPDATE businesses_company SET slug = 'other'": {COMPANIES},
    "UPDATE businesses_company SET revision = 0": {COMPANIES},
    "UPDATE businesses_office SET id = id": {COMPANIES},
    "DELETE FROM businesses_office WHERE id = {spare}": {COMPANIES},
    "UPDATE businesses_membership SET role = 'viewer'": {COMPANIES, MEMBERSHIPS},
    "DELETE FROM businesses_membership": {COMPANIES, MEMBERSHIPS},
    "UPDATE businesses_user SET email = 'other'": {COMPANIES, USERS},
    "UPDATE businesses_user SET is_active = NOT is_active": {COMPANIES, USERS},
    "UPDATE businesses_user SET last_login = '2026-01-01', password = 'other'": set(),
    "UPDATE businesses_address SET id = id": {COMPANIES, USERS},
    "DELETE FROM businesses_address": {COMPANIES, USERS},
    "UPDATE orders_product SET id = id": {CATALOGUE},
    "DELETE FROM orders_product": {CATALOGUE},
    "UPDATE orders_order SET id = id": {COMPANIES},
    "UPDATE orders_orderline SET id = id": {COMPANIES},
    "DELETE FROM orders_orderline": {COMPANIES},
    "INSERT INTO orders_orderevent (order_id, actor_id, kind, data, at) "
    "SELECT order_id, actor_id, kind, data, at FROM orders_orderevent": {COMPANIES},
}
"""What raises which revisions, in the names that tables have before a change."""
REFUSED = ["UPDATE orders_orderevent SET id = id", "DELETE FROM orders_orderevent"]


@dataclass
class Outcome:
    """What was found after a change, or in its way."""

    error: str = ""
    lost: list[str] = field(default_factory=list)
    wrong: dict[str, list[str]] = field(default_factory=dict)
    raised: list[str] = field(default_factory=list)
    refused: list[bool] = field(default_factory=list)


def triggers() -> set[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            if connection.vendor == "sqlite"
            else "SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'O'"
        )
        return {name for (name,) in cursor.fetchall()}


def numbers() -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute("""
            SELECT (SELECT sum(revision) FROM businesses_company), (SELECT sum(revision) FROM businesses_user),
            (SELECT sum(value) FROM api_revision WHERE name = 'catalogue'),
            (SELECT sum(value) FROM api_revision WHERE name LIKE 'memberships of %')""")
        return dict(zip((COMPANIES, USERS, CATALOGUE, MEMBERSHIPS), cursor.fetchone(), strict=True))


def raised(write: Callable[[], object]) -> set[str]:
    before = numbers()
    write()
    return {name for name, number in numbers().items() if number > before[name]}


def run(sql: str) -> set[str]:
    """Which revisions a statement raises. It is undone."""
    with transaction.atomic(), connection.cursor() as cursor:
        try:
            return raised(lambda: cursor.execute(sql))
        finally:
            transaction.set_rollback(True)


def refused(sql: str) -> bool:
    try:
        run(sql)
    except IntegrityError as problem:
        return "append-only" in str(problem)
    return False


def make(change: Change) -> None:
    """By the executor and without `migrate`, whose signals come late or never."""
    executor = MigrationExecutor(connection)
    migration = migrations.Migration("9999_change", change.app)
    migration.operations = change.operations  # type: ignore[misc]  # migrations set it on their classes
    executor.apply_migration(executor.loader.project_state(), migration)
    executor.recorder.record_unapplied(change.app, "9999_change")


def outcome(change: Change, spare: int) -> Outcome:
    """What a change leads to. `spare` is an office that nothing refers to."""
    found, before = Outcome(), triggers()
    try:
        found.raised = sorted(raised(lambda: make(change)))
        if connection.vendor == "postgresql":
            connection.cursor().execute(
                "SET LOCAL orders.bumped = ''"
            )  # or what the change raised would not rise once more
        found.lost = sorted(before - triggers())
        for write, expected in WRITES.items():
            seen = run(change.renamed(write).format(spare=spare))
            if seen != expected:
                found.wrong[write] = sorted(seen)
        found.refused = [refused(change.renamed(sql)) for sql in REFUSED]
    except Exception as problem:
        found.error = repr(problem)
    return found


def rows() -> int:
    """One of everything, and an office more, whose id it returns."""
    from tests import factories

    office = factories.office()
    factories.order(office, factories.member(office.company))
    factories.product()
    return factories.office(office.company).pk


def main() -> None:
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    spare = rows()
    connection.close()
    database = Path(connection.settings_dict["NAME"])
    pristine = shutil.copy(database, database.with_suffix(".pristine"))
    found = {}
    for name, change in CHANGES.items():
        shutil.copy(pristine, database)
        found[name] = asdict(outcome(change, spare))
        connection.connection.close()  # Django's own refuses to, where what died has left a transaction open
        del connections[DEFAULT_DB_ALIAS]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
