"""Django's SQLite: triggers outlive the migrations of their tables.

SQLite alters little of a table. For the rest Django makes a new one, copies the rows, drops the old one, and with it
its triggers, and renames the new one, which SQLite refuses where a trigger elsewhere names the table that is gone. So
all triggers stand aside meanwhile, and are put back as they were in the same transaction: whatever a migration does
next, they are there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from django.db import transaction
from django.db.backends.sqlite3 import base, schema

TRIGGERS = "SELECT name, tbl_name, sql FROM sqlite_master WHERE type = 'trigger' ORDER BY rowid"
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"


class DatabaseSchemaEditor(schema.DatabaseSchemaEditor):
    def _remake_table(self, model: Any, **changes: Any) -> None:
        altered = changes.get("alter_fields") or ()
        renamed = [(old.column, new.column) for old, new in altered if old.column != new.column]
        with self.triggers_aside(model._meta.db_table, renamed):
            super()._remake_table(model, **changes)  # type: ignore[misc]

    def remove_field(self, model: Any, field: Any) -> None:
        with self.triggers_aside():  # SQLite drops no column that a trigger names
            super().remove_field(model, field)

    @contextmanager
    def triggers_aside(self, table: str = "", renamed: Iterable[tuple[str, str]] = ()) -> Iterator[None]:
        """Without triggers; afterwards with those of before, in which columns of `table` are `renamed` (old, new)."""
        with transaction.atomic(self.connection.alias):
            there = self.rows(TRIGGERS)
            put_back = self.following(table, renamed) if renamed and not self.collect_sql else there
            for name, _, _ in there:
                self.execute(f"DROP TRIGGER {self.quote_name(name)}", None)
            yield
            tables = {name for (name,) in self.rows(TABLES)}
            for _, its, sql in put_back:
                if its in tables:
                    self.execute(sql, None)

    def following(self, table: str, renamed: Iterable[tuple[str, str]]) -> list[Any]:
        """The triggers as SQLite rewrites them when it renames the columns itself, which is undone."""
        savepoint = transaction.savepoint(self.connection.alias)
        with self.connection.cursor() as cursor:
            for columns in renamed:
                old, new = map(self.quote_name, columns)
                cursor.execute(f"ALTER TABLE {self.quote_name(table)} RENAME COLUMN {old} TO {new}")
        rewritten = self.rows(TRIGGERS)
        transaction.savepoint_rollback(savepoint, self.connection.alias)
        return rewritten

    def rows(self, sql: str) -> list[Any]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())


class DatabaseWrapper(base.DatabaseWrapper):
    SchemaEditorClass = DatabaseSchemaEditor
