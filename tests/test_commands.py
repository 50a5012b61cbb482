"""Every management command of ours: help with an example, errors of one line and a code, output fit for a pipe."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import get_commands, load_command_class

from querybudget.tests.terminal import on_terminal
from tests import outages
from tests.service import ROOT

OURS = {name: str(app) for name, app in get_commands().items() if (ROOT / str(app)).is_dir()}
SMALL = ["seed_demo", "--companies=1", "--offices=350", "--users=2", "--orders=20000"]


def manage(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, check=False, timeout=60
    )


# --- Help


def parsers(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """It, and those of its commands."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.values()


@pytest.mark.parametrize("name", sorted(OURS))
def test_help_ends_with_an_example_that_is_accepted(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    whole = load_command_class(OURS[name], name).create_parser("manage.py", name)
    for parser in parsers(whole):
        last = parser.format_help().splitlines()[-1]
        assert last.startswith(f"Example: {parser.prog}"), last
        whole.parse_args(shlex.split(last.removeprefix(f"Example: {whole.prog}")))


# --- Errors

AWAY = {
    "DATABASE_URL": f"postgres://nobody@127.0.0.1:{outages.closed_port()}/none",
    "REDIS_URL": f"redis://127.0.0.1:{outages.closed_port()}/0",
}
WRONG: list[tuple[str, dict[str, str], int, str]] = [
    ("create_token", {}, 2, "arguments are required: user"),
    ("create_token nobody", {}, 1, "no active user 'nobody'"),
    ("create_token demo", AWAY, 1, "Connection refused"),
    ("seed_demo --orders many", {}, 2, "invalid int value: 'many'"),
    ("seed_demo --orders -5", {}, 1, "orders can't be -5"),
    ("seed_demo --companies 0", {}, 1, "needs 1 company"),
    ("seed_demo", AWAY, 1, "Connection refused"),
    ("limit_statements --seconds soon", {}, 2, "invalid int value: 'soon'"),
    ("limit_statements --seconds -1", {}, 1, "--seconds can't be -1"),
    ("limit_statements --lock-seconds -1", {}, 1, "--lock-seconds can't be -1"),
    ("limit_statements", AWAY, 1, "Connection refused"),
    ("cache_stats", {"REDIS_URL": ""}, 1, "REDIS_URL is not set"),
    ("cache_stats", AWAY, 1, "Connection refused"),
    ("cache_clear", AWAY, 1, "Connection refused"),
    ("tune_threads --clients 0", {}, 1, "--clients must be above 0"),
    ("tune_threads --memory -5", {}, 1, "--memory must be above 0"),
    ("tune_threads --target api/orders", {}, 1, "not 'api/orders'"),
    ("tune_threads --profile /nowhere/profile.toml", {}, 1, "/nowhere/profile.toml"),
    ("tune_threads --output /proc/nowhere", {}, 1, "/proc/nowhere"),
    ("tune_threads --as nobody", {}, 1, "no active user 'nobody'"),
    ("tune_threads", AWAY, 1, "Connection refused"),
    ("querybudget", {}, 2, "arguments are required: command"),
    ("querybudget fix", {}, 2, "arguments are required: endpoint"),
    ("querybudget fix /api/orders", {}, 2, "not '/api/orders'"),
    ("querybudget fix 'GET /nowhere'", {}, 2, "no route for /nowhere"),
    ("querybudget fix 'GET /api/orders'", {}, 2, "answered 401"),
    ("querybudget fix 'GET /api/orders' --as nobody", {}, 2, "no user 'nobody'"),
    ("querybudget fix 'GET /api/orders' --header Accept", {}, 2, "not 'Accept'"),
    ("querybudget fix 'GET /api/orders' --as demo", AWAY, 1, "Connection refused"),
    ("querybudget audit 'GET /healthz' --html /nowhere/audit.html", {}, 2, "/nowhere/audit.html"),
    ("querybudget token --expires later", {}, 2, "not 'later'"),
    ("querybudget stale now", {}, 2, "unrecognized arguments: now"),
]


def test_each_is_tried() -> None:
    assert {line.split()[0] for line, *_ in WRONG} == OURS.keys()


@pytest.mark.parametrize(("line", "variables", "code", "words"), WRONG, ids=[f"{one[0]} {one[2]}" for one in WRONG])
def test_an_error_is_one_line_and_a_code(
    database_url: str, line: str, variables: dict[str, str], code: int, words: str
) -> None:
    done = manage(*shlex.split(line), **{"DATABASE_URL": database_url, **variables})
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert words in done.stderr


def test_a_database_without_tables_is_one_line() -> None:
    done = manage("create_token", "demo")  # the server's first database, which nobody migrates
    assert (done.returncode, done.stdout) == (1, "")
    assert re.fullmatch(r"error: relation \"businesses_user\" does not exist .*\n", done.stderr)
    assert "Traceback" in manage("create_token", "demo", "--traceback").stderr


# --- Output


def test_what_is_piped_is_only_what_was_asked_for(database_url: str) -> None:
    """Nothing of a log either: a request without rights is one that the service writes down."""
    done = manage("querybudget", "audit", "GET /api/orders", "GET /healthz", "--json", DATABASE_URL=database_url)
    assert {one["status"] for one in json.loads(done.stdout)["endpoints"]} == {200, 401}
    assert done.stderr == ""


def run_on_terminal(database_url: str, *arguments: str, **options: Any) -> Any:
    return on_terminal(sys.executable, "manage.py", *arguments, DATABASE_URL=database_url, **options)


def test_a_terminal_sees_how_far_it_is(database_url: str) -> None:
    ran = run_on_terminal(database_url, *SMALL)
    assert (ran.code, ran.printed) == (0, "")
    assert "10000/20000" in ran.shown
    assert ran.shown.endswith("\x1b[2K")


def test_an_interrupt_ends_it_without_a_word(database_url: str) -> None:
    ran = run_on_terminal(database_url, *SMALL, interrupt_at="orders ")
    assert ran.code == 130
    assert "Traceback" not in ran.shown
    assert ran.shown.rstrip().endswith("\x1b[2K")
