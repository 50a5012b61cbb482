"""Two revisions, compared by turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bench import against, rounds
from bench.against import CREATE, HIT, KINDS, Compared, Kind, verdict
from bench.contenders import Contender
from bench.interval import FEWEST
from bench.rounds import Figures
from config.measuring import ROOT
from tests.sample import full


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """With servers of its own: the suite's are not its to fill."""
    own = ("TEST_DATABASE_URL", "TEST_REDIS_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in own}
    command = [sys.executable, "-m", "bench.against", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)


# --- Turns


@dataclass(frozen=True, slots=True)
class FakeServer:
    port: int = 0

    def cpu_seconds(self) -> float:
        return 0.0


@dataclass(frozen=True, slots=True)
class FakeSide:
    """Takes its turns without a server."""

    name: str
    log: list[str] = field(compare=False)

    @property
    def copies(self) -> FakeSide:
        return self

    def renew(self) -> None:
        self.log.append(f"{self.name} renewed")

    def serve(self, stack: ExitStack) -> FakeServer:
        self.log.append(f"{self.name} started")
        return FakeServer()

    def contender(self, kind: Kind, server: Any) -> Contender:
        return Contender(self.name, server, b"", kind.clients)


def test_turns_are_mirrored_within_a_round_and_from_one_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []

    def load(contender: Contender, clients: int, seconds: float) -> dict[str, float]:
        log.append(contender.name if seconds == 1 else "warming up")
        return {"throughput": 1, "p50": 1, "answers": 1, "busy": 0}

    monkeypatch.setattr(rounds, "load", load)
    monkeypatch.setattr(against, "load", load)
    monkeypatch.setattr(against, "KINDS", [Kind("only", 8, length=2)])
    monkeypatch.setattr(against, "difference", lambda *sides: "")
    old, new = FakeSide("old", log), FakeSide("new", log)
    found = against.measured(old, new, 2, 0.5)  # type: ignore[arg-type]
    assert " ".join(entry for entry in log if entry in ("old", "new")) == "old new new old new old old new"
    assert log.count("old started") == log.count("new started") == log.count("old renewed") == 2
    assert [len(compared.speed) for compared in found.values()] == [2]


# --- Ratios


def figures(throughput: float, p50: float, cpu: float) -> Figures:
    """Of two turns, the second in half of the machine's speed."""
    return Figures([throughput, throughput / 2], [p50, p50 * 2], [cpu, cpu])


def test_a_round_gives_one_ratio_of_the_new_to_the_old() -> None:
    compared = Compared()
    compared.add(HIT, figures(100, 10, 4), figures(110, 9, 3))
    assert (compared.speed, compared.cpu) == ([pytest.approx(1.1)], [0.75])


def test_one_client_is_as_fast_as_its_median_answer() -> None:
    compared = Compared()
    compared.add(CREATE, figures(1, 10, 4), figures(1, 8, 4))
    assert compared.speed == [pytest.approx(1.25)]
    assert compared.new.throughput == [pytest.approx((125 + 62.5) / 2)]


# --- Verdict


@pytest.mark.parametrize(
    ("speed", "slower"),
    [([0.90, 0.92] * 5, True), ([0.90, 0.90, 1.01] * 5, False), ([0.96, 0.97] * 5, False), ([1.1] * 10, False)],
    ids=["slower", "perhaps", "a little", "faster"],
)
def test_slower_is_what_is_below_the_least_beyond_doubt(speed: list[float], slower: bool) -> None:
    said = verdict({HIT: Compared(speed=speed, cpu=speed)}, 0.95)
    assert bool(said) is slower
    if slower:
        assert said == [
            "Slower: hit has 0.910 × the throughput of the old revision, below 0.95, and its 95 % interval "
            "(0.900 to 0.920) excludes 1."
        ]


# --- The command


@pytest.mark.parametrize("name", ["nowhere", "--quick", "HEAD:bench", ""])
def test_a_revision_that_git_does_not_know_is_one_line(name: str) -> None:
    done = run("--", name)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: git knows no revision {name!r}\n")


def test_too_few_rounds_give_no_interval() -> None:
    done = run("HEAD", "--rounds", "5")
    assert done.returncode == 2
    assert f"--rounds must be {FEWEST} or more" in done.stderr


@full
def test_a_revision_beside_itself(tmp_path: Path) -> None:
    done = run("HEAD", "--quick", "--least", "0", "--results", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "Both answer the same." in done.stdout
    found = json.loads((tmp_path / "against.json").read_text())
    assert found["slower"] == []
    assert list(found["kinds"]) == [kind.name for kind in KINDS]
    for name, kind in found["kinds"].items():
        assert f"\n| {name} " in done.stdout
        for ratio in (kind["speed"], kind["cpu"]):
            assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
        assert len(kind["rounds"]["speed"]) == FEWEST
