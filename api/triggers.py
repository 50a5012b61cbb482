"""Triggers are declared, and `migrate` sees to it that the database has them.

Nothing fails where a trigger is missing: answers just stay as they were. So the triggers and their functions are
declared in one place, the `triggers.py` of an app, as they are now. After each `migrate` that leaves nothing of these
apps to apply, what is missing or different is made anew. A new definition needs no migration; one that is no longer
declared needs one that drops it. Earlier migrations made earlier definitions, and stay as they are.
`manage.py check --database default` names what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.core.checks import Tags, Warning, register
from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.loader import MigrationLoader

PRESENT = {
    "sqlite": "SELECT tbl_name, name, sql FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": """
        SELECT relname, tgname, pg_get_triggerdef(t.oid, true) FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid
        WHERE NOT tgisinternal AND tgenabled IN ('O', 'A') AND pg_table_is_visible(c.oid)
        UNION ALL SELECT '', proname, prosrc FROM pg_proc
        WHERE pronamespace = current_schema()::regnamespace
    """,
}
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Trigger:
    """`sql` is its statement as the database gives it back, but for white space.

    `missed` raises what writes have not while the trigger was missing.
    """

    table: str
    name: str
    sql: str
    missed: str = ""

    @property
    def key(self) -> Key:
        return self.table, self.name

    @property
    def known_as(self) -> str:
        return self.sql

    def statements(self, vendor: str) -> Iterable[str]:
        yield f"DROP TRIGGER IF EXISTS {self.name}" + (f" ON {self.table}" if vendor == "postgresql" else "")
        yield self.sql

    def __str__(self) -> str:
        return f"trigger {self.name} of {self.table}"


@dataclass(frozen=True, slots=True)
class Function:
    """A function of PostgreSQL's, its parameters and types as SQL writes them."""

    name: str
    body: str
    parameters: str = ""
    returns: str = "trigger"
    language: str = "plpgsql"

    @property
    def key(self) -> Key:
        return "", self.name

    @property
    def known_as(self) -> str:
        return self.body

    def statements(self, vendor: str) -> Iterable[str]:
        yield (
            f"CREATE OR REPLACE FUNCTION {self.name}({self.parameters}) RETURNS {self.returns} "
            f"LANGUAGE {self.language} AS $${self.body}$$"
        )

    def __str__(self) -> str:
        return f"function {self.name}"


Part = Trigger | Function
declared: dict[str, dict[Key, Part]] = {}
"""By the vendor of the database, in the order of their making."""
apps: set[str] = set()
"""Labels of the apps whose migrations make the tables."""


def declare(app: str, vendor: str, parts: Iterable[Part]) -> None:
    """To be called once when the app is ready."""
    apps.add(app)
    declared.setdefault(vendor, {}).update((part.key, part) for part in parts)


def lacking(connection: BaseDatabaseWrapper) -> list[tuple[Part, bool]]:
    """What is declared and missing from the database, or different there; whether it is missing.

    Nothing while migrations of the apps are to be applied: those make the tables first.
    """
    parts = declared.get(connection.vendor)
    if not parts or not migrated(connection):
        return []
    with connection.cursor() as cursor:
        cursor.execute(PRESENT[connection.vendor])
        present = {(table, name): text for table, name, text in cursor.fetchall()}
    return [
        (part, key not in present)
        for key, part in parts.items()
        if key not in present or present[key].split() != part.known_as.split()
    ]


def migrated(connection: BaseDatabaseWrapper) -> bool:
    loader = MigrationLoader(connection)
    return all(leaf in loader.applied_migrations for leaf in loader.graph.leaf_nodes() if leaf[0] in apps)


def restore(connection: BaseDatabaseWrapper) -> list[tuple[Part, bool]]:
    """Make what is lacking, and raise what may have been missed. Returns what `lacking` found."""
    with transaction.atomic(connection.alias):
        found = lacking(connection)
        missed = [part.missed for part, missing in found if missing and isinstance(part, Trigger) and part.missed]
        with connection.cursor() as cursor:
            # First, as writers lock in this order too: a company, and then the tables.
            for statement in dict.fromkeys(missed):
                cursor.execute(statement)
            for part, _ in found:
                for statement in part.statements(connection.vendor):
                    cursor.execute(statement)
    return found


def after_migrate(using: str, verbosity: int = 1, **kwargs: Any) -> None:
    """A receiver of `post_migrate`. `flush` sends it too, without a plan: it changes no table."""
    if "plan" not in kwargs:
        return
    restored = restore(connections[using])
    if verbosity >= 1 and "stdout" in kwargs:
        for part, gone in restored:
            kwargs["stdout"].write(f"  Created the {part}" if gone else f"  Replaced the {part}, which was different")


@register(Tags.database)
def missing(app_configs: Any, databases: Iterable[str] | None = None, **kwargs: Any) -> list[Warning]:
    """api.W001: writes go by without raising a revision, or without being refused."""
    hint = "Run `manage.py migrate`, which restores it. Until then, answers may stay stale."
    return [
        Warning(f"Database {alias!r}: the {part} {'is missing' if gone else 'is different'}.", hint=hint, id="api.W001")
        for alias in databases or ()
        for part, gone in lacking(connections[alias])
    ]
