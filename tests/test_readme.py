"""The README's tour, run as it stands against `make run`'s process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def tour() -> list[str]:
    """The shell blocks below "A tour"."""
    text = (ROOT / "README.md").read_text().split("## A tour")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


@pytest.fixture(scope="module")
def quickstart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    """What the quickstart printed, and the environment to talk to it."""
    folder = tmp_path_factory.mktemp("quickstart")
    inherited = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "LANG")}
    environment = inherited | {
        "DATABASE_URL": f"sqlite:///{folder / 'orders.sqlite3'}",
        "STATIC_ROOT": str(folder / "static"),
        "SECRET_KEY": "tour" * 16,
        "PORT": "0",
    }
    log = folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "config.quickstart"],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
        try:
            printed = ""
            while "curl" not in printed:
                line = process.stdout.readline()  # type: ignore[union-attr]
                assert line, log.read_text()
                printed += line
            yield printed, environment
        finally:
            process.terminate()
            process.communicate()


def run(script: str, environment: dict[str, str]) -> str:
    command = ["bash", "-euc", script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_prints_address_token_and_a_curl_line_that_works(quickstart: tuple[str, dict[str, str]]) -> None:
    printed, environment = quickstart
    curl = next(line for line in printed.splitlines() if line.strip().startswith("curl"))
    order = json.loads(run(curl.replace("curl ", "curl -sf ", 1), environment))["results"][0]
    assert order["total"]
    assert re.search(r"demo token: [0-9a-f]{64}\n", printed)


def test_every_command_of_the_tour_answers(quickstart: tuple[str, dict[str, str]]) -> None:
    printed, environment = quickstart
    address = re.search(r"http://127\.0\.0\.1:\d+", printed)
    assert address
    script = "\n".join(tour()).replace("http://127.0.0.1:8000", address[0]).replace(".venv/bin/python", sys.executable)
    answers = run(script, environment)
    for expected in (
        '"number":"',
        '"events":[{',
        "Idempotent-Replayed: true",
        '"status":"approved"',
        "id,number,status,",
        '"group_by":"month"',
        "staus: Unknown parameter",
    ):
        assert expected in answers, f"{expected!r} is not in what the tour printed:\n{answers}"
    assert answers.count("urn:problem") == 1  # the mistake made on purpose
