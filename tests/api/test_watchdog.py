"""Only the connection of an overdue request ends."""

from __future__ import annotations

import os
import threading
from typing import Any

import pytest
from django.db import OperationalError, connection

from api import watchdog as watching
from api.watchdog import Connection, Watchdog


@pytest.fixture
def dog(transactional_db: None, monkeypatch: pytest.MonkeyPatch) -> Watchdog:
    monkeypatch.setattr(watching, "TICK_SECONDS", 0.05)
    return Watchdog()


def sleep(seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


def backend() -> int:
    """The process that serves this thread's connection."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        return int(cursor.fetchone()[0])


def test_an_overdue_statement_ends_and_the_next_has_a_new_connection(dog: Watchdog) -> None:
    before = backend()
    with pytest.raises(OperationalError), dog.watching(0.2):
        sleep(30)
    connection.close_if_unusable_or_obsolete()
    assert backend() != before


def test_a_connection_outlives_a_request_in_time(dog: Watchdog) -> None:
    before = backend()
    with dog.watching(0.2):
        sleep(0)
    sleep(0.5)
    assert backend() == before


def test_another_threads_connection_is_left_alone(dog: Watchdog) -> None:
    failures: list[Any] = []

    def in_time() -> None:
        with dog.watching(30):
            try:
                sleep(1)
            except OperationalError as failure:
                failures.append(failure)
        connection.close()

    other = threading.Thread(target=in_time)
    other.start()
    with pytest.raises(OperationalError), dog.watching(0.2):
        sleep(30)
    other.join()
    connection.close_if_unusable_or_obsolete()
    assert not failures


def test_the_end_of_a_closed_connection_is_not_that_of_its_descriptors_next_owner(dog: Watchdog) -> None:
    backend()
    old = connection.connection
    assert isinstance(old, Connection)
    number = old.fileno()
    connection.close()
    backend()
    assert connection.connection.fileno() == number  # the kernel gives the lowest free number
    old.end()
    assert backend()


def test_a_forked_process_is_watched_too(dog: Watchdog) -> None:
    with dog.watching(30):
        pass
    child = os.fork()
    if child == 0:
        with dog.watching(30):
            os._exit(0 if dog._thread and dog._thread.is_alive() else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
