"""The ledger holds the ordinary way: with one join of the orders forgotten the suite goes red, and says where."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent
LEDGER = "query-budgets-ordinary.toml"
FOLDERS = ["api", "businesses", "config", "orders", "querybudget", "tests"]  # and not fast
FILES = ["pyproject.toml", LEDGER, "requirements.txt"]
JOINS = "queryset.select_related(*self.joins)"
FORGETFUL = "queryset.select_related(*(join for join in self.joins if join != 'office'))"
SUITE = ["tests/orders/test_listing.py", "-k", "newest_come_first or what_the_list_shows"]


def test_the_ledger_fits_the_routes() -> None:
    call_command("querybudget", "stale")  # exits with 1 where it does not


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The project in a folder of its own."""
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def run(project: Path) -> subprocess.CompletedProcess[str]:
    """Run a part of the suite of `project`, with this test's servers and a database beside this test's."""
    name = f"copy_of_{connection.settings_dict['NAME']}"
    # Settings that a test has named here would be loaded there before the suite's conftest has set anything.
    mine = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST_", "DJANGO_"))}
    environment = mine | {
        "FAST": "0",
        "TEST_DATABASE_URL": re.sub(r"/[^/]*$", f"/{name}", os.environ["DATABASE_URL"]),
        "TEST_REDIS_URL": settings.REDIS_URL,
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:cacheprovider", *SUITE]
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, check=False)


def line_of(file: Path, text: str) -> int:
    (number,) = (number for number, line in enumerate(file.read_text("utf-8").splitlines(), 1) if text in line)
    return number


def test_a_forgotten_join_turns_the_suite_red_and_names_endpoint_budget_and_line(db: None, copy: Path) -> None:
    untouched = run(copy)
    assert untouched.returncode == 0, untouched.stdout

    shaping = copy / "api" / "shaping.py"
    assert shaping.read_text("utf-8").count(JOINS) == 1
    shaping.write_text(shaping.read_text("utf-8").replace(JOINS, FORGETFUL), "utf-8")
    broken = run(copy)
    assert broken.returncode == pytest.ExitCode.TESTS_FAILED, broken.stdout

    budget = line_of(copy / LEDGER, '["GET /api/orders"]')
    field = line_of(copy / "orders" / "serializers.py", "    office = OfficeBriefSerializer(read_only=True)")
    said = broken.stdout.splitlines()
    assert any(line.startswith("GET /api/orders: 6 queries, budget 3      tests/orders/") for line in said), (
        broken.stdout
    )
    assert f"  + 3× read businesses_office … orders/serializers.py:{field}" in said, broken.stdout
    found = f"office of each order  OrderSerializer.office  orders/serializers.py:{field}"
    assert any("3×" in line and line.endswith(found) for line in said), broken.stdout
    assert '     → .select_related("office")' in said, broken.stdout
    assert f"Budget: {LEDGER}:{budget}" in said, broken.stdout
    assert any(line.startswith("FAILED tests/orders/test_listing.py::test_without_parameters") for line in said)
