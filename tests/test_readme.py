"""The README's tour, run as it stands against `make run`'s process."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from querybudget.tests.browser import chromium

ROOT = Path(__file__).resolve().parent.parent


def tour() -> list[str]:
    """The shell blocks below "A tour"."""
    text = (ROOT / "README.md").read_text().split("## A tour")[1].split("\n## ")[0]
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)


@contextmanager
def started(environment: dict[str, str]) -> Iterator[str]:
    """What the quickstart prints, while it runs."""
    command = [sys.executable, "-m", "config.quickstart"]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        printed = ""
        while "for staff" not in printed:
            line = process.stdout.readline()  # type: ignore[union-attr]
            assert line, process.communicate()[1]
            printed += line
        yield printed
    finally:
        process.terminate()
        process.communicate()


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
    with started(environment) as printed:
        yield printed, environment


def run(script: str, environment: dict[str, str]) -> str:
    command = ["bash", "-euc", script]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def address_of(printed: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", printed)
    assert found
    return found[0]


def staff_of(printed: str) -> dict[str, str]:
    """The login that is printed, as fields of the admin's form."""
    found = re.search(r"as (\S+) with the password (\S+)$", printed, re.MULTILINE)
    assert found
    return {"username": found[1], "password": found[2]}


def test_it_prints_a_curl_line_that_works(quickstart: tuple[str, dict[str, str]]) -> None:
    printed, environment = quickstart
    curl = re.search(r"curl .*$", printed, re.MULTILINE)
    assert curl
    order = json.loads(run(curl[0].replace("curl ", "curl -sf ", 1), environment))["results"][0]
    assert order["total"]


def test_it_is_ready_soon_after_a_second_start(quickstart: tuple[str, dict[str, str]]) -> None:
    """Nothing is made anew, and the staff login stays; another token is as good as the first."""
    printed, environment = quickstart
    with started(environment) as again:
        assert staff_of(again) == staff_of(printed)
        assert address_of(again) != address_of(printed)
        assert again.count("Token ") == 2


def test_a_port_that_is_taken_is_named_in_one_line(quickstart: tuple[str, dict[str, str]]) -> None:
    printed, environment = quickstart
    port = address_of(printed).rpartition(":")[2]
    for module in ("config.quickstart", "config.server"):
        needed = {"PORT": port, "HOST": "127.0.0.1", "ALLOWED_HOSTS": "localhost"}
        done = subprocess.run(
            [sys.executable, "-m", module],
            cwd=ROOT,
            env=environment | needed,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"error: PORT {port} of 127.0.0.1 can't be listened on: Address already in use\n"


def test_every_card_of_the_first_page_can_be_opened(quickstart: tuple[str, dict[str, str]]) -> None:
    """By somebody with a browser and the login that was printed."""
    printed, _ = quickstart
    with chromium() as tab:
        tab.open(address_of(printed))
        assert "SQLite" in tab.one(".lead").text
        cards = [link.get_attribute("href") for link in tab.all("li a")]
        shown = []
        for card in cards:
            tab.open(card)
            if tab.all("input[name=password]"):
                for name, value in staff_of(printed).items():
                    tab.one(f"[name={name}]").send_keys(value)
                tab.one("[type=submit]").click()
            tab.driver.implicitly_wait(20)
            if card.endswith("/docs"):
                assert tab.one(".opblock")
            shown.append(tab.one("body").text)
            tab.driver.implicitly_wait(0)
            assert tab.console() == []
    for text, words in zip(shown, ["Authorize", '"openapi": "3.', "Query reports", "Site administration"], strict=True):
        assert words in text


def test_on_sqlite_no_budget_is_held_and_the_page_says_why(quickstart: tuple[str, dict[str, str]]) -> None:
    printed, environment = quickstart
    address, login = address_of(printed), staff_of(printed)
    curl = re.search(r"curl .*$", printed, re.MULTILINE)
    assert curl
    run(curl[0].replace("curl ", "curl -sf ", 1), environment)
    page = run(
        f"""
        curl -sf -c "$JAR" -o /dev/null '{address}/admin/login/'
        csrf=$(awk '$6 == "csrftoken" {{ print $7 }}' "$JAR")
        curl -sf -b "$JAR" -c "$JAR" -o /dev/null -d "csrfmiddlewaretoken=$csrf" -d username={login["username"]} \
             -d password={login["password"]} '{address}/admin/login/'
        curl -sf -b "$JAR" '{address}/-/queries/'
        """,
        environment | {"JAR": str(Path(environment["STATIC_ROOT"]).parent / "cookies")},
    )
    assert "GET /api/orders" in page.replace("<wbr>", "")
    assert "No budget is held here: budgets are what postgresql needs, and this process uses sqlite." in page
    assert "over budget" not in page
    assert 'class="bad"' not in page


def test_every_command_of_the_tour_answers(quickstart: tuple[str, dict[str, str]]) -> None:
    printed, environment = quickstart
    script = (
        "\n".join(tour())
        .replace("http://127.0.0.1:8000", address_of(printed))
        .replace(".venv/bin/python", sys.executable)
    )
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
