"""The threads of a server are kept on one processor, which changes; nobody else's are."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from config import affinity
from tests.config.processes import children, service
from tests.waiting import eventually
from tests.web import announced_port

ALL: set[int] = getattr(os, "sched_getaffinity", lambda process: set())(0)

pytestmark = pytest.mark.skipif(len(ALL) < 2, reason="one processor only, or not Linux, which could keep threads there")


def processors(process: int) -> set[frozenset[int]]:
    """What its threads are kept on."""
    threads = Path(f"/proc/{process}/task").iterdir()
    return {frozenset(os.sched_getaffinity(int(thread.name))) for thread in threads}


def are_together(process: int) -> bool:
    (kept, *others) = processors(process)
    return not others and len(kept) == 1


@contextmanager
def threads(number: int) -> Iterator[None]:
    """So many threads of this process, which wait; all are let go at the end."""
    done = threading.Event()
    started = [threading.Thread(target=done.wait) for _ in range(number)]
    for thread in started:
        thread.start()
    try:
        yield
    finally:
        affinity.place(ALL)
        done.set()
        for thread in started:
            thread.join()


def test_a_server_keeps_its_threads_together() -> None:
    with service(WEB_CONCURRENCY="1") as process:
        announced_port(process)
        assert eventually(lambda: are_together(process.pid))


def test_so_does_each_worker_but_not_their_supervisor() -> None:
    with service(WEB_CONCURRENCY="2") as process:
        announced_port(process)
        workers = children(process.pid)
        assert len(workers) == 2
        assert eventually(lambda: all(are_together(worker) for worker in workers))
        assert processors(process.pid) == {frozenset(ALL)}


def test_workers_are_on_processors_of_their_own_and_whoever_replaces_one_too() -> None:
    with service(WEB_CONCURRENCY="2") as process:
        announced_port(process)

        def are_apart() -> bool:
            each = [processors(worker) for worker in children(process.pid)]
            return len(each) == 2 and each[0].isdisjoint(each[1]) and all(map(are_together, children(process.pid)))

        assert eventually(are_apart)
        for worker in children(process.pid):
            os.kill(worker, signal.SIGKILL)
            assert eventually(lambda dead=worker: dead not in children(process.pid) and are_apart())  # type: ignore[misc]


@pytest.mark.parametrize("of", range(1, 20))
@pytest.mark.parametrize("number", [1, 2, 3, 8])
def test_processes_share_the_processors_out(number: int, of: int) -> None:
    available = set(range(10, 10 + number))
    shares = [affinity.share(available, at, of) for at in range(of)]
    sizes = [len(share) for share in shares]
    assert set().union(*shares) == available
    assert max(sizes) - min(sizes) <= 1
    if of <= number:
        assert sum(sizes) == number
    else:
        assert sizes == [1] * of
        assert max(sum(one in share for share in shares) for one in available) <= of // number + 1


def test_it_can_be_left_off() -> None:
    with service(WEB_CONCURRENCY="1", CPU_AFFINITY="0") as process:
        announced_port(process)
        time.sleep(0.5)
        assert processors(process.pid) == {frozenset(ALL)}


def test_threads_are_let_go_and_then_kept_where_there_was_room(monkeypatch: pytest.MonkeyPatch) -> None:
    meanwhile = []

    def sleep(seconds: float) -> None:
        meanwhile.append(processors(os.getpid()))
        os.sched_setaffinity(0, {woken_up_on})

    monkeypatch.setattr(affinity, "time", SimpleNamespace(sleep=sleep))
    with threads(3):
        for woken_up_on in sorted(ALL):
            affinity.place({min(ALL)})
            affinity.settle(ALL)
            assert meanwhile.pop() == {frozenset(ALL)}
            assert processors(os.getpid()) == {frozenset({woken_up_on})}


def test_a_thread_that_ends_meanwhile_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = threading.Thread(target=lambda: None)
    gone.start()
    gone.join()
    listed = SimpleNamespace(iterdir=lambda: [Path(str(gone.native_id)), Path(str(os.getpid()))])
    with threads(0), monkeypatch.context() as patched:
        patched.setattr(affinity, "THREADS", listed)
        affinity.place({min(ALL)})
        assert os.sched_getaffinity(os.getpid()) == {min(ALL)}


def test_where_it_can_not_be_done_threads_go_free(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "config")

    asked = []
    real = os.sched_setaffinity

    def refuse_the_second(thread: int, processors: set[int]) -> None:
        if len(processors) == 1:
            asked.append(thread)
        if len(asked) == 2 and len(processors) == 1:
            raise PermissionError("hidden")
        real(thread, processors)

    turns = iter(range(10))
    with threads(2):
        monkeypatch.setattr(affinity, "time", SimpleNamespace(sleep=lambda _: next(turns)))
        monkeypatch.setattr("config.affinity.os.sched_setaffinity", refuse_the_second)
        affinity.follow(ALL)
        assert len(asked) == 2
        assert processors(os.getpid()) == {frozenset(ALL)}
    assert caplog.messages == ["threads are not kept on one processor: hidden"]
