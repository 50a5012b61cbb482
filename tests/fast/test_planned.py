"""Statements that come again are planned once, and whatever becomes of the session they answer the same."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import psycopg2
import pytest
from django.db import DatabaseError, connection, transaction

from fast.postgresql import planned
from fast.postgresql.planned import Planned, Template

pytestmark = pytest.mark.django_db(transaction=True)

SQL = "SELECT number * %s, '100%%' FROM generate_series(1, %s) AS number WHERE number > %s"


@cache
def template(factor: int) -> Template:
    return Template(SQL, (factor, "most", "least"), {1: "most", 2: "least"})


def ask(least: int, factor: int = 10) -> list[tuple[int, str]]:
    """Two rows of `factor` times `least` + 1 and 2; `least` differs from one time to the next."""
    with connection.cursor() as cursor:
        cursor.execute(SQL, Planned(template(factor), {"least": least, "most": least + 2}))
        rows: list[tuple[int, str]] = cursor.fetchall()
    return rows


def rows(least: int, factor: int = 10) -> list[tuple[int, str]]:
    return [((least + 1) * factor, "100%"), ((least + 2) * factor, "100%")]


def prepared() -> list[str]:
    """What the server has prepared for this connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        return [statement for (statement,) in cursor.fetchall()]


@pytest.fixture(autouse=True)
def fresh(db: None) -> None:
    connection.close()


def test_the_first_time_nothing_is_prepared() -> None:
    assert ask(1) == rows(1)
    assert prepared() == []


def test_what_comes_again_is_prepared_with_its_fixed_values() -> None:
    assert [ask(least) for least in range(9)] == [rows(least) for least in range(9)]
    (statement,) = prepared()
    assert "number * 10, '100%' FROM generate_series(1, $1) AS number WHERE number > $2" in statement


def test_other_fixed_values_are_another_statement() -> None:
    answers = [ask(1, factor) for factor in (10, 20, 10, 20, 10, 20)]
    assert answers == [rows(1, factor) for factor in (10, 20, 10, 20, 10, 20)]
    assert len(prepared()) == 2


def test_ordinary_parameters_are_left_alone() -> None:
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute(SQL, [10, 3, 1])
            assert cursor.fetchall() == rows(1)
    assert prepared() == []


def test_a_transaction_prepares_nothing_as_a_refusal_would_end_it() -> None:
    with transaction.atomic():
        assert [ask(least) for least in range(3)] == [rows(least) for least in range(3)]
        assert prepared() == []


def test_a_session_keeps_no_more_than_so_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planned, "MOST", 3)
    for factor in range(1, 6):
        assert [ask(1, factor) for _ in range(3)] == [rows(1, factor)] * 3
    assert len(prepared()) == 3
    assert ask(1, 1) == rows(1, 1)


def forget_all() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")


def taken_by_another() -> None:
    """As behind PgBouncer: the session has the name already, this client does not know."""
    connection.connection.prepared.clear()
    ask(1)


@pytest.mark.parametrize("spoil", [forget_all, taken_by_another])
def test_a_session_that_is_not_its_own_gives_the_same_rows_and_prepares_no_more(spoil: Callable[[], None]) -> None:
    for _ in range(3):
        ask(1)
    spoil()
    assert [ask(least) for least in range(3)] == [rows(least) for least in range(3)]
    assert connection.connection.prepared is None
    assert not connection.errors_occurred


def test_a_migration_may_change_what_it_returns() -> None:
    with connection.cursor() as cursor:
        cursor.execute("CREATE TEMPORARY TABLE thing (kind int); INSERT INTO thing VALUES (7)")

    things = Template("SELECT kind FROM thing", (), {})

    def kind() -> Any:
        with connection.cursor() as cursor:
            cursor.execute(things.sql, Planned(things, {}))
            return cursor.fetchone()[0]

    assert [kind() for _ in range(3)] == [7, 7, 7]
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE thing ALTER kind TYPE text")
    assert [kind() for _ in range(3)] == ["7", "7", "7"]


def test_what_postgresql_refuses_is_refused_as_ever() -> None:
    division = Template("SELECT 1 / %s", (None,), {0: "by"})

    def divide() -> None:
        with connection.cursor() as cursor:
            cursor.execute(division.sql, Planned(division, {"by": 0}))

    for _ in range(3):
        with pytest.raises(DatabaseError) as refusal:
            divide()
        assert isinstance(refusal.value.__cause__, psycopg2.errors.DivisionByZero)
