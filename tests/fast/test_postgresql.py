"""A kept connection is not asked before each request whether it lives; one that has died is noticed all the same."""

from __future__ import annotations

import os

import psycopg2
import pytest
from django.db import DatabaseError, connection
from django.db.backends.postgresql.base import DatabaseWrapper

from tests.waiting import eventually

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements of Django's own health checks."""
    seen: list[str] = []
    original = DatabaseWrapper.is_usable

    def asked(wrapper: DatabaseWrapper) -> bool:
        seen.append("SELECT 1")
        return original(wrapper)

    monkeypatch.setattr(DatabaseWrapper, "is_usable", asked)
    connection.ensure_connection()
    return seen


def end_from_outside() -> None:
    """What a restart of the server does to the connection."""
    pid = connection.connection.info.backend_pid
    other = psycopg2.connect(os.environ["DATABASE_URL"])
    try:
        other.autocommit = True
        other.cursor().execute("SELECT pg_terminate_backend(%s)", [pid])
    finally:
        other.close()


def test_one_that_lives_is_not_asked(sent: list[str]) -> None:
    assert connection.is_usable()
    assert sent == []


def test_one_that_the_server_has_ended_is_not_usable(sent: list[str]) -> None:
    end_from_outside()
    assert eventually(lambda: not connection.is_usable())
    assert sent
    connection.close()


def test_one_whose_query_failed_is_asked(sent: list[str]) -> None:
    with pytest.raises(DatabaseError), connection.cursor() as cursor:
        cursor.execute("SELECT nonsense")
    assert connection.errors_occurred
    assert connection.is_usable()
    assert sent == ["SELECT 1"]


def test_a_request_after_the_end_gets_a_connection_of_its_own(sent: list[str]) -> None:
    end_from_outside()
    assert eventually(lambda: not connection.is_usable())
    connection.close_if_unusable_or_obsolete()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 2")
        assert cursor.fetchone() == (2,)
