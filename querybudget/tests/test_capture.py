"""What a watch sees, on SQLite and on PostgreSQL."""

import io
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from asgiref.sync import SyncToAsync, async_to_sync, sync_to_async
from django.db import DatabaseError, connection, connections, transaction
from django.db.backends.utils import CursorWrapper
from django.test import AsyncClient, Client

from querybudget import UnseenQueriesError, watch
from querybudget.tests.corpus.data import make
from querybudget.tests.corpus.models import Author, Book, Country, Entry
from querybudget.threads import carrying_start

ALIASES = ["default", "archive"]
pytestmark = pytest.mark.django_db(databases=ALIASES)
POSTGRESQL = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="PostgreSQL only; test_postgresql.py runs it there"
)


def test_a_query_knows_what_it_was():
    Country.objects.create(name="a")
    with watch() as seen:
        countries = list(Country.objects.filter(name="a"))
    [query] = seen.queries
    assert len(countries) == query.rows == 1
    assert (query.alias, query.kind, query.label) == ("default", "read", "read corpus_country")
    assert query.shape.endswith('FROM "corpus_country" WHERE "corpus_country"."name" = ?')
    assert 0 < query.duration < 5
    line = test_a_query_knows_what_it_was.__code__.co_firstlineno + 3
    assert str(query.location) == f"querybudget/tests/test_capture.py:{line}"


def test_nothing_is_patched_while_nobody_watches():
    def patched():
        owners = (CursorWrapper, threading.Thread, ThreadPoolExecutor, SyncToAsync)
        return {
            name
            for owner in owners
            for name, value in vars(owner).items()
            if getattr(getattr(value, "fget", value), "__module__", "").startswith("querybudget")
        }

    assert patched() == set()
    with watch(), watch():
        assert {
            "execute",
            "_execute",
            "_executemany",
            "callproc",
            "copy_to",
            "__iter__",
            "fetchone",
            "start",
        } <= patched()
    assert patched() == set()


def test_every_database_is_seen():
    make(1)
    with watch() as seen:
        Book.objects.get()
        Entry.objects.get()
    assert [query.label for query in seen.queries] == ["read corpus_book", "read corpus_entry @archive"]


def test_savepoints_and_transactions_are_control_statements_and_never_count():
    with watch() as seen, transaction.atomic(), transaction.atomic():
        Country.objects.create(name="a")
    assert {query.kind for query in seen.queries} == {"control", "write"}
    assert [query.label for query in seen.counted] == ["write corpus_country"]
    assert seen.count == 1


def test_rows_are_those_that_were_fetched():
    make(5)
    with watch() as seen:
        Book.objects.first()
        list(Book.objects.all())
        list(Book.objects.iterator(chunk_size=2))
        Book.objects.count()
        with connection.cursor() as cursor:
            cursor.execute("SELECT id FROM corpus_book")
            cursor.fetchone()
            cursor.fetchmany(2)
            cursor.execute("SELECT id FROM corpus_book")
            assert len(list(cursor)) == 5
            cursor.execute("SELECT id FROM corpus_book")
            assert len(cursor.fetchall()) == 5
    assert [query.rows for query in seen.counted] == [1, 5, 5, 1, 3, 5, 5]


def test_server_side_cursors_are_seen():
    make(3)
    with watch() as seen:
        books = Book.objects.iterator(chunk_size=1)
        next(books)
        assert [query.rows for query in seen.queries] == [1]
        list(books)
    [query] = seen.counted
    assert query.rows == 3
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.chunked_cursor() as cursor:
            assert cursor.cursor.name.startswith("_django_curs_")


def test_executemany_is_one_query():
    with watch() as seen, connection.cursor() as cursor:
        cursor.executemany("INSERT INTO corpus_tag (name) VALUES (%s)", [["a"], ["b"]])
    assert [query.label for query in seen.counted] == ["write corpus_tag"]


@POSTGRESQL
def test_procedures_and_copies_are_seen(settings):
    for debug in (False, True):
        settings.DEBUG = debug
        with watch() as seen, connection.cursor() as cursor:
            cursor.callproc("txid_current")
            cursor.copy_expert("COPY corpus_tag (name) FROM STDIN", io.StringIO("a\nb\n"))
            cursor.copy_to(io.StringIO(), "corpus_tag")
            cursor.copy_from(io.StringIO("c\n"), "corpus_tag", columns=["name"])
        assert [query.label for query in seen.counted] == [
            "write (no table)",
            "write corpus_tag",
            "read corpus_tag",
            "write corpus_tag",
        ]
        assert seen.queries[0].sql == "CALL txid_current"


@POSTGRESQL
def test_composed_statements_of_the_driver_are_seen():
    from psycopg2 import sql

    with watch() as seen, connection.cursor() as cursor:
        cursor.execute(sql.SQL("SELECT name FROM {}").format(sql.Identifier("corpus_tag")))
        cursor.execute(b"SELECT name FROM corpus_tag")
    assert {query.shape for query in seen.queries} == {
        'SELECT name FROM "corpus_tag"',
        "SELECT name FROM corpus_tag",
    }


def test_a_statement_that_fails_counts_and_one_that_is_refused_does_not():
    def refuse(execute, sql, params, many, context):
        raise RuntimeError("no queries here")

    with watch() as seen:
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")
        with pytest.raises(RuntimeError), connection.execute_wrapper(refuse):
            Country.objects.first()
    assert [query.label for query in seen.counted] == ["read no_such_table"]


def test_the_line_is_not_that_of_a_wrapper_around_every_statement():
    def wrapper(execute, sql, params, many, context):
        return execute(sql, params, many, context)

    with watch() as seen, connection.execute_wrapper(wrapper), connection.execute_wrapper(wrapper):
        Country.objects.count()
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO corpus_tag (name) VALUES (%s)", [["a"]])
    first = test_the_line_is_not_that_of_a_wrapper_around_every_statement.__code__.co_firstlineno
    assert [query.location.line - first for query in seen.counted] == [5, 7]


def test_watches_nest_and_each_sees_its_own():
    with watch() as outer:
        Country.objects.count()
        with watch() as inner:
            Country.objects.count()
        Country.objects.count()
    assert (len(outer.queries), len(inner.queries)) == (3, 1)
    assert outer.queries[1] is inner.queries[0]


def test_debug_cursors_are_seen(settings):
    settings.DEBUG = True
    with watch() as seen:
        assert Country.objects.count() == 0
    assert [query.rows for query in seen.queries] == [1]


@pytest.mark.django_db(transaction=True, databases=ALIASES)
def test_threads_that_watched_code_starts_are_seen():
    make(1)

    def work():
        Country.objects.count()
        connection.close()

    with watch() as seen:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(work).result()
    assert len(seen.queries) == 2


@pytest.mark.django_db
def test_a_tool_that_wraps_the_run_of_every_thread_may_take_it_for_a_method(monkeypatch):
    """sentry-sdk wraps the function behind `self.run`, and gives it the thread."""
    ran = []

    def start(self):
        function = self.run.__func__
        self.run = lambda: function(self)
        original(self)

    original = threading.Thread.start
    monkeypatch.setattr(threading.Thread, "start", carrying_start(start))
    with watch():
        thread = threading.Thread(target=ran.append, args=[1])
        thread.start()
        thread.join()
    assert ran == [1]


@pytest.mark.django_db(transaction=True, databases=ALIASES)
def test_work_handed_to_an_older_pool_is_seen_and_other_work_of_the_pool_is_not():
    make(1)

    def work():
        Country.objects.count()
        connection.close()

    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
        with watch() as seen:
            pool.submit(work).result()
        pool.submit(work).result()
    assert len(seen.queries) == 1


@pytest.mark.django_db(transaction=True, databases=ALIASES)
def test_older_threads_are_seen_process_wide_only():
    make(1)
    go, done = threading.Event(), threading.Event()

    def work():
        for _ in range(2):
            go.wait()
            go.clear()
            Country.objects.count()
            connection.close()
            done.set()

    thread = threading.Thread(target=work)
    thread.start()
    counts = []
    for process_wide in (False, True):
        with watch(process_wide=process_wide) as seen:
            go.set()
            done.wait()
            done.clear()
            Country.objects.count()
        counts.append(len(seen.queries))
    thread.join()
    assert counts == [1, 2]


def test_asynchronous_code_is_seen():
    make(2)

    async def read():
        async with watch() as seen:
            [book async for book in Book.objects.all()]
            await Author.objects.acount()
            await sync_to_async(Country.objects.count)()
        return seen

    seen = async_to_sync(read)()
    assert [query.label for query in seen.counted] == [
        "read corpus_book",
        "read corpus_author",
        "read corpus_country",
    ]
    first = read.__code__.co_firstlineno
    assert [query.location.line - first for query in seen.counted] == [2, 3, 4]


def test_an_asynchronous_client_is_seen():
    make(3)
    with watch() as seen:
        async_to_sync(AsyncClient().get)("/loop/foreign_key")
    assert [query.label for query in seen.counted] == ["read corpus_book", *["read corpus_author"] * 3]


def test_streamed_bodies_are_seen_by_the_watch_around_their_consumer():
    make(3)
    response = Client().get("/loop/streaming")
    with watch() as seen:
        body = b"".join(response)
    assert len(body) == len("author 0") * 3
    assert [query.label for query in seen.counted] == ["read corpus_author"] * 3  # the view read the books


@pytest.mark.django_db(transaction=True, databases=ALIASES)
@pytest.mark.parametrize("detail", [True, False])
def test_a_thread_that_outlives_the_watch_is_not_seen_any_more(detail):
    go = threading.Event()

    def work():
        go.wait()
        Country.objects.count()
        connection.close()

    with watch(detail=detail) as seen:
        thread = threading.Thread(target=work)
        thread.start()
    with watch():  # keeps the hooks in place
        go.set()
        thread.join()
    assert seen.queries == []
    assert seen.count == 0


@pytest.fixture
def blind_database():
    """A database whose backend makes cursors of its own."""
    connections.databases["blind"] = connections.databases["default"] | {
        "ENGINE": "querybudget.tests.blind_backend",
        "NAME": ":memory:",
    }
    yield
    del connections["blind"]
    del connections.databases["blind"]


def test_a_database_that_can_not_be_seen_fails_the_watch(blind_database):
    expected = (
        r"queries of database 'blind' can't be seen: its cursors are querybudget\.tests\.blind_backend\.base\.Own"
    )
    with pytest.raises(UnseenQueriesError, match=expected), watch():
        pass
    assert CursorWrapper._execute.__module__ == "django.db.backends.utils"


def test_a_hook_that_somebody_replaced_fails_the_watch_and_never_counts_twice(monkeypatch):
    monkeypatch.setattr(CursorWrapper, "_execute", CursorWrapper._execute)  # restored at the end

    def patch_on_top():
        ours = CursorWrapper._execute
        CursorWrapper._execute = lambda *arguments: ours(*arguments)

    with pytest.raises(UnseenQueriesError, match="_execute was replaced"), watch():
        patch_on_top()
    with watch() as seen:
        Country.objects.count()
    assert len(seen.queries) == 1


def test_an_error_in_the_watched_code_is_not_hidden():
    with pytest.raises(ZeroDivisionError), watch():
        1 / 0  # noqa: B018
