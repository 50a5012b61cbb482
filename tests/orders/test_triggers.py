"""The database's triggers outlive migrations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.config.processes import started
from tests.orders.schema_changes import CHANGES, REFUSED, Outcome


def on_sqlite(folder: Path, *arguments: str) -> str:
    """What Python with these arguments prints, with an SQLite database of its own."""
    sqlite = f"sqlite:///{folder / 'orders.sqlite3'}"
    variables = {"DJANGO_SETTINGS_MODULE": "config.settings", "DATABASE_URL": sqlite, "REDIS_URL": ""}
    with started(*arguments, **variables) as process:
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output


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
