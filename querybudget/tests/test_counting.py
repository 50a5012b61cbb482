"""Watches that only count: the statement is run by a function of ours, as Django would run it."""

import pytest
from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.backends.utils import CursorWrapper

from querybudget import watch
from querybudget.tests.corpus.models import Country

pytestmark = pytest.mark.django_db


def test_without_detail_only_number_and_time_are_kept():
    with watch(detail=False) as seen:
        Country.objects.count()
    assert seen.count == 1
    assert seen.seconds > 0
    assert seen.queries == []


@pytest.mark.parametrize("detail", [True, False])
def test_statements_are_run_as_django_runs_them(detail):
    with watch(detail=detail) as seen, connection.cursor() as cursor:
        cursor.execute("SELECT '%%'")  # without parameters nothing is a placeholder
        assert cursor.fetchall() == [("%%",)]
        cursor.execute("SELECT %s", params=[1])
        assert cursor.fetchall() == [(1,)]
        with pytest.raises(DatabaseError, match="no_such_table"), transaction.atomic():
            cursor.execute("SELECT * FROM no_such_table")
        with transaction.atomic():
            transaction.set_rollback(True)
            with pytest.raises(transaction.TransactionManagementError):
                Country.objects.count()
    assert seen.count == 4


@pytest.mark.parametrize("fetch", ["fetchone", "fetchmany", "fetchall"])
@pytest.mark.parametrize("detail", [True, False])
def test_failures_to_fetch_are_django_s(detail, fetch):
    with watch(detail=detail), connection.cursor() as cursor:
        cursor.close()
        with pytest.raises((DatabaseError, InterfaceError)):
            getattr(cursor, fetch)()


def test_what_only_counts_leaves_nobody_out(monkeypatch, settings):
    """Who wraps a connection's statements, a class of cursors, the log of queries, and who was there before us."""
    django, innermost, passed = CursorWrapper.execute, CursorWrapper._execute, []

    def wrapper(execute, sql, params, many, context):
        passed.append("wrapper")
        return execute(sql, params, many, context)

    class Own(CursorWrapper):
        def _execute_with_wrappers(self, *arguments, **named):
            passed.append("class")
            return super()._execute_with_wrappers(*arguments, **named)

    def before_us(self, sql, params=None):
        passed.append("patch")
        return django(self, sql, params)

    def innermost_before_us(self, sql, params, *ignored):
        passed.append("innermost patch")
        return innermost(self, sql, params, *ignored)

    with watch(detail=False) as seen:
        with connection.execute_wrapper(wrapper):
            Country.objects.count()
        with Own(connection.connection.cursor(), connection) as cursor:
            cursor.execute("SELECT 1")
        settings.DEBUG = True
        logged = len(connection.queries)
        Country.objects.count()
        assert len(connection.queries) == logged + 1
    settings.DEBUG = False
    monkeypatch.setattr(CursorWrapper, "execute", before_us)
    with watch(detail=False):
        Country.objects.count()
    monkeypatch.undo()
    monkeypatch.setattr(CursorWrapper, "_execute", innermost_before_us)
    with watch(detail=False):
        Country.objects.count()
        with connection.execute_wrapper(wrapper):
            Country.objects.count()
    assert passed == ["wrapper", "class", "patch", "innermost patch", "wrapper", "innermost patch"]
    assert seen.count == 3


def test_watches_that_only_count_nest_too():
    with watch(detail=False, process_wide=True) as process, watch(detail=False) as outer:
        Country.objects.count()
        with watch(detail=False) as inner:
            Country.objects.count()
    assert (process.count, outer.count, inner.count) == (2, 2, 1)
    with watch(detail=False) as outer:
        Country.objects.count()
        with watch(detail=False) as inner:
            Country.objects.count()
    assert (outer.count, inner.count) == (2, 1)
