"""What `git push heroku main` asks of a repository, and a rehearsal of the push itself."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from tests.deploy.clone import ROOT, cloned, outside, tracked
from tests.web import announced_port

SUPPORTED = range(10, 15)  # minor versions of Python 3 that the buildpack installs
PACKAGE_MANAGERS = {"requirements.txt", "Pipfile", "Pipfile.lock", "poetry.lock", "uv.lock"}


def procfile() -> dict[str, str]:
    """Process types and their commands; anything else in the file is an error."""
    lines = [line for line in (ROOT / "Procfile").read_text().splitlines() if line.strip()]
    parsed = [re.fullmatch(r"([A-Za-z0-9_-]+):\s*(.+)", line) for line in lines]
    assert all(parsed), lines
    return {match[1]: match[2] for match in parsed if match}


# --- The build's rules


def test_runtime_names_a_python_that_is_installed_there() -> None:
    match = re.fullmatch(r"python-3\.(\d+)(\.\d+)?\n?", (ROOT / "runtime.txt").read_text())
    assert match, "a bare version is an error"
    assert int(match[1]) in SUPPORTED


def test_one_package_manager_is_in_charge() -> None:
    assert PACKAGE_MANAGERS & set(tracked()) == {"requirements.txt"}


def test_no_virtual_environment_is_committed() -> None:
    assert not [path for path in tracked() if path.startswith((".venv", "venv/", ".heroku/"))]


def test_it_is_recognised_as_django_with_postgresql() -> None:
    packages = {line.split("==")[0] for line in (ROOT / "requirements.txt").read_text().splitlines()}
    assert "manage.py" in tracked()
    assert {"django", "psycopg2-binary"} <= packages


def test_every_requirement_is_pinned() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if line and line[0] not in " #" and "==" not in line] == []


def test_the_procfile_releases_and_serves() -> None:
    commands = procfile()
    assert set(commands) == {"release", "web"}
    assert commands["release"].index("check --deploy") < commands["release"].index("migrate")
    assert commands["web"] == "exec python -m config.server"  # exec: SIGTERM reaches the server, not a shell


def test_the_app_manifest_asks_for_what_the_service_needs() -> None:
    manifest = json.loads((ROOT / "app.json").read_text())
    assert {addon.split(":")[0] for addon in manifest["addons"]} == {"heroku-postgresql", "heroku-redis"}
    assert manifest["env"]["SECRET_KEY"]["generator"] == "secret"
    assert manifest["env"]["MALLOC_ARENA_MAX"]["value"] == "2"
    assert manifest["formation"]["web"]["quantity"] >= 1
    test = manifest["environments"]["test"]
    assert test["addons"] == []  # the suite starts its own servers
    assert test["scripts"]["test-setup"].endswith(" -r requirements-dev.txt")
    assert {"SECRET_KEY", "ALLOWED_HOSTS"} <= set(manifest["env"])  # DATABASE_URL and REDIS_URL come with the add-ons


# --- A rehearsal


@pytest.fixture
def database() -> Any:
    """The URL of an empty database on the suite's server."""
    url = os.environ["DATABASE_URL"]
    name = f"rehearsal_{os.getpid()}"
    connection = psycopg2.connect(url)
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
        yield re.sub(r"/[^/]*$", f"/{name}", url)
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
    connection.close()


def test_a_clean_clone_builds_releases_and_serves(tmp_path: Path, database: str) -> None:
    clone = cloned(tmp_path / "app")
    base = outside() | {"PATH": f"{tmp_path}/venv/bin:/usr/bin:/bin"}

    def run(command: str, **variables: str) -> str:
        done = subprocess.run(
            ["bash", "-c", command], cwd=clone, env=base | variables, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    # The build: exactly requirements.txt, and static files with no variable set.
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    run("pip install --quiet -r requirements.txt")
    run("python manage.py collectstatic --noinput")
    assert not list((tmp_path / "venv").glob("lib/*/site-packages/pytest"))

    # Release and web, as the Procfile says, with what the add-ons and app.json set.
    variables = {
        "DYNO": "web.1",
        "DATABASE_URL": database,
        "REDIS_URL": os.environ["REDIS_URL"],
        "SECRET_KEY": "rehearsal" * 8,
        "ALLOWED_HOSTS": "app.example",
        "SECURE_HSTS_SECONDS": "31536000",
        "PORT": "0",
    }
    run(procfile()["release"], **variables)
    run("python manage.py seed_demo --companies 1 --offices 350 --users 2 --orders 5 -v0", **variables)
    token = run("python manage.py create_token demo", **variables).strip()
    web = subprocess.Popen(
        ["bash", "-c", procfile()["web"]], cwd=clone, env=base | variables, stdout=subprocess.PIPE, text=True
    )
    try:
        port = announced_port(web)
        client = HTTPConnection("127.0.0.1", port, timeout=20)
        headers = {"Host": "app.example", "X-Forwarded-Proto": "https", "Authorization": f"Token {token}"}
        client.request("GET", "/api/orders?limit=1", headers=headers)
        response = client.getresponse()
        assert response.status == 200
        assert json.loads(response.read())["results"][0]["lines"]
        assert response.headers["Strict-Transport-Security"].startswith("max-age=31536000")
        client.request("GET", "/api/orders", headers=headers | {"X-Forwarded-Proto": "http"})
        assert client.getresponse().status == 301  # and not for ever: https, as the router says, was served
    finally:
        web.send_signal(signal.SIGTERM)
        assert web.wait(timeout=30) == 0
        web.communicate()
