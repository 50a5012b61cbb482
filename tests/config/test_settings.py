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


# --- Databases over a network

CA = "/etc/ssl/authority.pem"


@pytest.mark.parametrize(
    ("url", "ca", "secured"),
    [
        ("postgres://u:p@db.example/x", "", {"sslmode": "require"}),
        ("postgres://u:p@10.0.0.5:5432/x", "", {"sslmode": "require"}),
        ("postgres://u:p@[2001:db8::1]/x", "", {"sslmode": "require"}),
        ("postgres:///x?host=db.example", "", {"sslmode": "require"}),
        ("postgres://u:p@localhost.example/x", "", {"sslmode": "require"}),
        ("postgres:///x?host=127.0.0.1,db.example", "", {"sslmode": "require"}),
        ("postgresql://db.example/x?application_name=a", "", {"sslmode": "require"}),
        ("postgres://db.example/x", CA, {"sslmode": "verify-full", "sslrootcert": CA}),
        ("postgres://db.example/x?sslmode=disable", CA, {"sslmode": "disable"}),
        (
            "postgres://db.example/x?sslmode=verify-ca&sslrootcert=mine",
            "",
            {"sslmode": "verify-ca", "sslrootcert": "mine"},
        ),
        ("postgres://db.example/x?sslrootcert=mine", CA, {"sslmode": "verify-full", "sslrootcert": "mine"}),
        ("postgres://u:p@localhost/x", CA, {}),
        ("postgres://127.0.0.1/x", "", {}),
        ("postgres://127.8.0.1/x", "", {}),
        ("postgres://[::1]:5433/x", "", {}),
        ("postgres:///x", "", {}),
        ("postgres:///x?host=/var/run/postgresql", "", {}),
        ("postgres://%2Fvar%2Frun%2Fpostgresql/x", "", {}),
        ("postgres:///x?service=mine", "", {}),
        ("sqlite:///x", CA, {}),
    ],
)
def test_a_database_elsewhere_is_spoken_to_by_tls(
    variable: pytest.MonkeyPatch, url: str, ca: str, secured: dict[str, str]
) -> None:
    variable.delenv("PGSSLMODE", raising=False)
    variable.setenv("THING", url)
    options = env.database("THING", "", ca).get("OPTIONS", {})
    assert {name: value for name, value in options.items() if name.startswith("ssl")} == secured


def test_libpqs_own_variable_has_its_say(variable: pytest.MonkeyPatch) -> None:
    variable.setenv("PGSSLMODE", "verify-full")
    variable.setenv("THING", "postgres://db.example/x")
    assert "OPTIONS" not in env.database("THING", "")


def test_the_database_and_its_replica_are_asked_alike() -> None:
    ask = (
        "from django.conf import settings; print([each['OPTIONS']['sslmode'] for each in settings.DATABASES.values()])"
    )
    urls = {name: f"postgres://{name.lower()}.example/x" for name in ("DATABASE_URL", "DATABASE_REPLICA_URL")}
    asked = run("-c", ask, **NEEDED | urls, DJANGO_SETTINGS_MODULE="config.settings")
    assert asked.stdout == "['require', 'require']\n"


PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"


def test_a_certificate_is_a_file_or_its_text(variable: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert env.certificate("THING", tmp_path) == ""
    variable.setenv("THING", PEM)
    written = env.certificate("THING", tmp_path / "new")
    assert Path(written).read_text() == f"{PEM}\n"
    assert env.certificate("THING", tmp_path / "new") == written
    variable.setenv("THING", written)
    assert env.certificate("THING", tmp_path) == written


def test_a_certificate_that_is_not_there_is_refused_by_name(variable: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variable.setenv("THING", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match="THING is neither a file nor a PEM text"):
        env.certificate("THING", tmp_path)
    variable.setenv("THING", PEM)
    (tmp_path / "file").write_text("")
    with pytest.raises(ImproperlyConfigured, match="THING can't be written"):
        env.certificate("THING", tmp_path / "file")


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
