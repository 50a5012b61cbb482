"""The whole command, with servers of its own on the test's database. Its figures are not looked at."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from knox.models import get_token_model

from businesses.models import User
from config import sizing
from tests import factories
from tests.config.processes import ROOT

Tune = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def user(transactional_db: None) -> User:
    office = factories.office()
    member = factories.member(office.company)
    factories.copies(factories.order(office, member), 100)
    return member


@pytest.fixture
def tune(database_url: str, tmp_path: Path) -> Tune:
    """`tune("--as", "demo", …)`: run the command quickly; it writes into `tmp_path`."""
    quick = ["--seconds", "0.4", "--clients", "3", "--rounds", "1"]
    files = ["--profile", str(tmp_path / "profile.toml"), "--output", str(tmp_path)]
    return lambda *options: subprocess.run(
        [sys.executable, "manage.py", "tune_threads", *quick, *files, *options],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_it_measures_picks_and_records(tune: Tune, user: User, tmp_path: Path) -> None:
    done = tune("--as", user.username, "--target", "/api/orders?limit=20")
    assert done.returncode == 0, done.stderr
    found = re.search(r"predicted: (\d+) threads \((CPU share|memory|database|at least 2)", done.stdout)
    assert found
    table = (tmp_path / "threads.md").read_text()
    tried = [int(row) for row in re.findall(r"^\| +(\d+) \|", table, re.MULTILINE)]
    assert tried[0] == 1
    assert int(found[1]) in tried
    picked = re.search(r"^\| +(\d+) .* picked \|$", table, re.MULTILINE)
    assert picked
    profile = sizing.read(tmp_path / "profile.toml")
    assert profile.threads == int(picked[1])
    assert profile.base_bytes > 20_000_000
    assert "GET /api/orders?limit=20, 3 clients" in (tmp_path / "threads.svg").read_text()
    assert not get_token_model().objects.exists()


def test_nothing_is_recorded_where_nothing_passes(tune: Tune, user: User, tmp_path: Path) -> None:
    done = tune("--as", user.username, "--memory", "1")
    assert done.returncode == 1
    *progress, error = done.stderr.splitlines()  # of the first there is a line every ten seconds
    assert error == "CommandError: no number of threads keeps to a p95 of 15000 ms and 1 MB; nothing is recorded"
    assert all(re.fullmatch(r"measurements under load: \d+ of \d+", line) for line in progress)
    assert (tmp_path / "threads.md").exists()
    assert not (tmp_path / "profile.toml").exists()


def test_what_is_not_answered_is_named(tune: Tune, user: User, tmp_path: Path) -> None:
    done = tune("--as", user.username, "--target", "/api/nothing")
    assert (done.returncode, done.stderr) == (1, "CommandError: /api/nothing answers 404, not 200\n")
    assert not get_token_model().objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["demo", "nobody"])
def test_it_needs_a_user(name: str) -> None:
    with pytest.raises(CommandError, match=f"^there is no active user '{name}'; name one with --as, or run seed_demo$"):
        call_command("tune_threads", "--as", name)


@pytest.mark.parametrize("option", ["--clients", "--rounds", "--seconds"])
def test_a_number_that_can_not_be_is_refused(option: str) -> None:
    with pytest.raises(CommandError, match=r"must be above 0$"):
        call_command("tune_threads", option, "0")
