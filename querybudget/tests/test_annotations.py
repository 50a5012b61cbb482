"""Errors as GitHub shows them beside the lines."""

import pytest

from querybudget.annotations import commands
from querybudget.verdict import Violation


@pytest.fixture(autouse=True)
def checkout(tmp_path, monkeypatch):
    project = tmp_path / "checkout" / "backend"
    (project / "shop").mkdir(parents=True)
    (project / "shop" / "views.py").touch()
    (project / "query-budgets.toml").touch()
    monkeypatch.chdir(project)
    monkeypatch.setenv("GITHUB_WORKSPACE", str(tmp_path / "checkout"))


def violation(*places, endpoint="GET /orders", excess=1, text="GET /orders: 5 queries,   budget 4\n\n  50 %: a\r\n  b"):
    return Violation(endpoint, excess, text, places=places)


def test_a_command_is_escaped_as_github_wants_it():
    assert list(commands([violation("shop/views.py:14")])) == [
        "::error file=backend/shop/views.py,line=14,title=GET /orders%3A 5 queries%2C budget 4::  50 %25: a%0D%0A  b"
    ]


@pytest.mark.parametrize(
    ("places", "file"),
    [
        (["django/core/paginator.py:110", "?", "shop/views.py:3"], "file=backend/shop/views.py,line=3,"),
        (["/etc/passwd:1", "../../outside.py:1", "query-budgets.toml:7"], "file=backend/query-budgets.toml,line=7,"),
        (["?"], ""),
    ],
)
def test_the_place_is_the_first_that_is_a_file_of_the_checkout(places, file):
    [command] = commands([violation(*places)])
    assert command.startswith(f"::error {file}title=")


def test_of_one_endpoint_and_line_the_worst_is_told_and_the_worst_first():
    told = list(
        commands(
            [
                violation("shop/views.py:3", excess=1, text="one"),
                violation("shop/views.py:3", excess=9, text="nine"),
                violation("shop/views.py:4", excess=5, text="five"),
                violation("shop/views.py:3", excess=7, text="seven", endpoint="GET /other"),
            ]
        )
    )
    assert [command.rpartition("::")[2] for command in told] == ["nine", "seven", "five"]
