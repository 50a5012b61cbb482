"""Two servers by turns, without servers."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bench import turns
from bench.contenders import BenchError, Contender
from bench.turns import Taken, Turn, ratio, take_turns
from config.load import Answer, LoadError


@dataclass(slots=True)
class FakeServer:
    """Takes 2 ms of processor time for a request, and whoever asks it is written down."""

    port: int
    used: float = 0.0

    def cpu_seconds(self) -> float:
        return self.used


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ports, in the order of turns; each gives ten answers."""
    ports: list[int] = []

    def closed_loop(port: int, *arguments: object) -> list[Answer]:
        ports.append(port)
        for server in servers:
            server.used += 0.02 * (server.port == port)
        return [Answer(0.004, in_time=True)] * 10

    monkeypatch.setattr(turns, "closed_loop", closed_loop)
    return ports


servers = (FakeServer(1), FakeServer(2))


def contenders() -> tuple[Contender, Contender]:
    one, other = (Contender(f"server {server.port}", server, b"GET /") for server in servers)  # type: ignore[arg-type]
    return one, other


def test_groups_are_mirrored_in_themselves_and_from_one_to_the_next(asked: list[int]) -> None:
    take_turns(*contenders(), clients=8, seconds=0.2, groups=2)
    assert asked == [1, 2, 2, 1, 2, 1, 1, 2]


def test_processor_time_is_that_of_all_turns(asked: list[int]) -> None:
    one, other = take_turns(*contenders(), clients=8, seconds=0.2, groups=3)
    assert one.cpu == other.cpu == pytest.approx(2)
    assert (len(one.turns), one.p50()) == (6, 4)


def test_less_than_the_clock_tells_is_not_nothing(asked: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeServer, "cpu_seconds", lambda server: 0.0)
    one, _ = take_turns(*contenders(), clients=8, seconds=0.2, groups=1)
    assert one.cpu == pytest.approx(0.5)


def test_all_answers_and_all_of_their_time_count() -> None:
    assert Turn((0.1,) * 30, 0.25).rate == 120


def taken(*rates: float) -> Taken:
    return Taken([Turn((0.01,) * 100, 100 / rate) for rate in rates], 1)


def test_one_group_that_was_disturbed_changes_nothing() -> None:
    old, new = taken(10, 20, 10, 20, 10, 20), taken(11, 22, 11, 22, 1, 2)
    assert ratio(new, old) == pytest.approx(1.1)


def test_a_machine_that_gets_faster_and_faster_favours_nobody() -> None:
    """At moments 1, 2, 3, 4 it is as many times as fast."""
    assert ratio(taken(10, 40), taken(20, 30)) == pytest.approx(1)


def test_what_a_server_answers_wrongly_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def closed_loop(*arguments: object) -> list[Answer]:
        raise LoadError("answers 500, not 200")

    monkeypatch.setattr(turns, "closed_loop", closed_loop)
    with pytest.raises(BenchError, match=r"^server 1 answers 500, not 200$"):
        take_turns(*contenders(), clients=8, seconds=0.2, groups=1)
