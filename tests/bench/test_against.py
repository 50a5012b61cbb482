"""Two revisions, compared by turns."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from bench import against
from bench.against import KINDS, Compared, Pace, verdict
from bench.interval import FEWEST
from bench.turns import Taken, Turn
from config.measuring import ROOT
from tests.sample import full


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """With servers of its own: the suite's are not its to fill."""
    own = ("TEST_DATABASE_URL", "TEST_REDIS_URL", "DJANGO_SETTINGS_MODULE")
    environment = {name: value for name, value in os.environ.items() if name not in own} | variables
    command = [sys.executable, "-m", "bench.against", *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=900)


# --- Rounds


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

    def serve(self, stack: ExitStack) -> str:
        self.log.append(f"{self.name} started")
        return self.name

    def contender(self, kind: str, server: str) -> str:
        return server


def test_each_round_has_new_processes_and_begins_with_the_other_side(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []

    def take_turns(one: str, other: str, clients: int, seconds: float, groups: int) -> tuple[Taken, Taken]:
        log.append(f"{one} before {other}, groups: {groups}")
        taken = {"old": Taken([Turn((0.1,), 0.1)] * 2, 4.0), "new": Taken([Turn((0.1,), 0.2)] * 2, 3.0)}
        return taken[one], taken[other]

    monkeypatch.setattr(against, "take_turns", take_turns)
    monkeypatch.setattr(against, "KINDS", {"only": 8})
    monkeypatch.setattr(against, "difference", lambda *sides: "")
    old, new = FakeSide("old", log), FakeSide("new", log)
    found = against.measured(old, new, Pace(2, 5, 0.5))  # type: ignore[arg-type]
    first = ["old renewed", "new renewed", "old started", "new started"]
    turns = ["old before new, groups: 1", "old before new, groups: 5"]
    assert log[:6] == first + turns
    assert log[6:] == [
        *("new renewed", "old renewed", "new started", "old started"),
        *("new before old, groups: 1", "new before old, groups: 5"),
    ]
    assert (found["only"].speed, found["only"].cpu) == ([0.5, 0.5], [0.75, 0.75])
    assert found["only"].medians() == ["10 → 5", "100 → 100", "4 → 3"]


# --- Verdict


@pytest.mark.parametrize(
    ("speed", "slower"),
    [([0.90, 0.92] * 5, True), ([0.90, 0.90, 1.01] * 5, False), ([0.96, 0.97] * 5, False), ([1.1] * 10, False)],
    ids=["slower", "perhaps", "a little", "faster"],
)
def test_slower_is_what_is_below_the_least_beyond_doubt(speed: list[float], slower: bool) -> None:
    said = verdict({"hit": Compared(speed=speed, cpu=speed)}, 0.95)
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
    assert list(found["kinds"]) == list(KINDS)
    for name, kind in found["kinds"].items():
        assert f"\n| {name} " in done.stdout
        for ratio in (kind["speed"], kind["cpu"]):
            assert 0 < ratio["low"] <= ratio["median"] <= ratio["high"]
        assert len(kind["rounds"]["speed"]) == FEWEST
