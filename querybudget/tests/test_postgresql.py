"""Capture, counting, growth, findings, plans and captured requests once more, on PostgreSQL."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
FILES = [
    str(Path(__file__).with_name(name))
    for name in (
        "test_capture.py",
        "test_counting.py",
        "test_growth.py",
        "test_findings.py",
        "test_plans.py",
        "test_capturing.py",
    )
]


@pytest.mark.slow
def test_capture_and_growth_hold_on_postgresql():
    url = os.environ.get("TEST_DATABASE_URL")
    if not url and not (REPOSITORY / "tests" / "servers.py").exists():
        pytest.skip("no PostgreSQL: set TEST_DATABASE_URL (postgres://user@host:port/name)")
    server = [] if url else [sys.executable, "-m", "tests.servers"]
    environment = os.environ | {"QUERYBUDGET_ON": "postgresql"} | ({"DATABASE_URL": url} if url else {})
    result = subprocess.run(
        [*server, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *FILES],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "skipped" not in result.stdout
