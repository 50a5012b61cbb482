"""Configuration: typed, loud where it is wrong, and not needed by a build."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env

ROOT = Path(__file__).parent.parent.parent
NEEDED = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-0123456789-0123456789",
    "DATABASE_URL": "sqlite:///:memory:",
    "ALLOWED_HOSTS": "orders.example",
}


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Python with these environment variables and no others."""
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=variables, capture_output=True, text=True, timeout=60, check=False
    )


# --- Reading variables


@pytest.fixture
def variable(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.delenv("THING", raising=False)
    return monkeypatch


def test_without_a_variable_the_default_counts(variable: pytest.MonkeyPatch) -> None:
    assert env.text("THING", "a") == "a"
    assert env.flag("THING", default=True) is True
    assert env.choice("THING", ("a", "b"), "b") == "b"
    assert env.integer("THING", 7) == 7
    assert env.words("THING", "a,b") == ["a", "b"]


@pytest.mark.parametrize("value", ["1", "true", "YES", "On"])
def test_a_flag_is_on(variable: pytest.MonkeyPatch, value: str) -> None:
    variable.setenv("THING", value)
    assert env.flag("THING", default=False) is True


@pytest.mark.parametrize("value", ["0", "false", "NO", "Off", ""])
def test_a_flag_is_off(variable: pytest.MonkeyPatch, value: str) -> None:
    variable.setenv("THING", value)
    assert env.flag("THING", default=True) is False


@pytest.mark.parametrize("value", ["maybe", "2", "tru"])
def test_another_flag_is_refused_by_name(variable: pytest.MonkeyPatch, value: str) -> None:
    variable.setenv("THING", value)
    with pytest.raises(ImproperlyConfigured, match=f"THING must be one of .*'{value}'"):
        env.flag("THING", default=True)


@pytest.mark.parametrize("value", ["", "x", "1.5", "-1", "1e3", "0", "²"])
def test_another_number_is_refused_by_name(variable: pytest.MonkeyPatch, value: str) -> None:
    variable.setenv("THING", value)
    with pytest.raises(ImproperlyConfigured, match="THING must be a whole number of at least 1"):
        env.integer("THING", 7, least=1)


def test_another_choice_is_refused_by_name(variable: pytest.MonkeyPatch) -> None:
    variable.setenv("THING", "c")
    with pytest.raises(ImproperlyConfigured, match="THING must be one of a, b; it is 'c'"):
        env.choice("THING", ("a", "b"), "a")


def test_words_drop_blanks(variable: pytest.MonkeyPatch) -> None:
    variable.setenv("THING", " a, ,b,, ")
    assert env.words("THING") == ["a", "b"]


# --- Starting


@pytest.mark.parametrize("name", NEEDED)
def test_the_server_names_a_variable_that_is_missing_in_one_line(name: str) -> None:
    given = {key: value for key, value in NEEDED.items() if key != name}
    started = run("-m", "config.server", **given)
    assert started.returncode == 1
    assert started.stderr.splitlines() == [f"error: not set: {name}"]
    assert started.stdout == ""


def test_the_server_names_all_that_is_missing() -> None:
    assert run("-m", "config.server").stderr == "error: not set: SECRET_KEY, DATABASE_URL, ALLOWED_HOSTS\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "65536"),
        ("WEB_THREADS", "0"),
        ("WEB_CONCURRENCY", "0"),
        ("WEB_CONCURRENCY", "two"),
        ("WEB_DYNOS", ""),
        ("DATABASE_CONNECTIONS", "-1"),
        ("DYNO_RAM", "512M"),
        ("HTTPS", "perhaps"),
        ("THROTTLE_USER", "none"),
        ("SHAPING_GUARD", "off"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_URL", "oracles://host/name"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_the_server_names_a_variable_that_is_wrong_in_its_last_line(name: str, value: str) -> None:
    started = run("-m", "config.server", **(NEEDED | {name: value}))
    assert started.returncode == 1
    assert started.stderr.splitlines()[-1].startswith(f"error: {name} ")
    assert "Traceback" not in started.stderr


# --- A build, which has no variables


@pytest.mark.parametrize("command", [("collectstatic", "--dry-run", "--noinput"), ("check",)])
def test_a_build_needs_no_variables(command: tuple[str, ...]) -> None:
    built = run("manage.py", *command)
    assert (built.returncode, built.stderr) == (0, "")


def test_the_deployment_check_names_what_is_missing() -> None:
    checked = run("manage.py", "check", "--deploy", "--fail-level", "ERROR")
    assert checked.returncode == 1
    for name in NEEDED:
        assert f"{name} is not set." in checked.stderr


def test_the_deployment_check_is_content_with_what_is_needed() -> None:
    checked = run("manage.py", "check", "--deploy", "--fail-level", "WARNING", **NEEDED, SECURE_HSTS_SECONDS="31536000")
    assert checked.returncode == 0
    assert re.findall(r"\(([a-z_]+\.[A-Z][0-9]+)\)", checked.stderr) == []


def test_nothing_of_this_process_reaches_the_ones_tested() -> None:
    assert run("-c", "import os; print('SECRET_KEY' in os.environ)").stdout == "False\n"
    assert "SECRET_KEY" in os.environ
