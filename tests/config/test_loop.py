"""The main loop asks the connections to which something happened, and forgets none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from config import loop
from config.channel import DirectChannel
from tests.config.test_channel import Running, answer, ask, plain, serving
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="epoll is Linux'; elsewhere waitress' own loop runs")


@pytest.fixture
def running() -> Iterator[Running]:
    with serving(plain) as running:
        yield running


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The connections that were asked what they wait for."""
    seen: list[Any] = []
    readable: Callable[[Any], bool] = DirectChannel.readable

    def noted(channel: Any) -> bool:
        seen.append(channel)
        return readable(channel)

    monkeypatch.setattr(DirectChannel, "readable", noted)
    return seen


def test_a_request_costs_no_more_where_many_are_connected(running: Running, asked: list[Any]) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(running.connect()) for _ in range(100)]
        for client in clients:
            client.sendall(ask("/one"))
            assert answer(client)[0] == 200
        running.server.loop.ask_all_at = float("inf")
        asked.clear()
        for _ in range(20):
            clients[0].sendall(ask("/one"))
            assert answer(client=clients[0])[0] == 200
        assert len({id(channel) for channel in asked}) == 1
        assert len(asked) <= 40


def test_who_comes_where_another_was_is_answered(running: Running) -> None:
    """Descriptors are given out again; what was known of one does not hold for the next."""
    for number in range(300):
        with running.connect() as client:
            client.sendall(ask(f"/{number}", headers="Connection: close\r\n" if number % 3 == 0 else ""))
            assert answer(client) == (200, f"/{number}".encode())
    assert eventually(lambda: not running.server.active_channels)
    known: dict[int, int] = running.server.loop.waiting
    assert eventually(lambda: known.keys() == running.server._map.keys())


def test_a_client_that_came_and_went_without_a_word_leaves_nothing(running: Running) -> None:
    for _ in range(50):
        running.connect().close()
    assert eventually(lambda: not running.server.active_channels)
    with running.connect() as client:
        client.sendall(ask("/one"))
        assert answer(client) == (200, b"/one")


def test_a_descriptor_that_another_thread_closed_is_known_no_more(running: Running) -> None:
    for _ in range(3):
        with running.connect() as client:
            client.sendall(ask("/one"))
            assert answer(client) == (200, b"/one")
            for channel in list(running.server.active_channels.values()):
                channel.handle_close()


def test_what_is_idle_for_too_long_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "ALL_SECONDS", 0.1)
    with serving(plain) as running, running.connect() as client:
        client.sendall(ask("/one"))
        assert answer(client)[0] == 200
        running.server.adj.channel_timeout = -1
        running.server.next_channel_cleanup = 0
        time.sleep(0.2)
        with running.connect():  # another client's coming is a turn of the loop
            assert client.recv(1) == b""


def test_more_than_the_limit_wait_until_one_has_left(running: Running) -> None:
    running.server.adj.connection_limit = len(running.server._map) + 2
    with running.connect() as first, running.connect() as second:
        for client in (first, second):
            client.sendall(ask("/one"))
            assert answer(client)[0] == 200
        with running.connect() as third:
            third.sendall(ask("/three"))
            third.settimeout(0.2)
            with pytest.raises(TimeoutError):
                third.recv(1)
            first.close()
            third.settimeout(10)
            assert eventually(lambda: len(running.server.active_channels) == 1)
            running.server.loop.ask_all_at = 0.0
            running.server.pull_trigger()
            assert answer(third) == (200, b"/three")
