"""What README and docs say is so: commands, figures, variables, links. `test_readme.py` runs the tour."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "querybudget/README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page: Path, language: str = r"\w*") -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def in_code(page: Path) -> str:
    """Everything that is set as code."""
    text = page.read_text()
    return "\n".join(blocks(page) + re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", text)))


# --- Commands


def manage_lines() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for command in re.findall(r"manage\.py ([a-z_]+(?: [^\n`#|)]*)?)", in_code(page)):
            if not command.startswith("test "):  # of another project, with the runner that querybudget has for it
                yield page.name, command.strip()


@pytest.mark.parametrize(("page", "line"), sorted(set(manage_lines())))
def test_every_management_command_takes_what_the_docs_give_it(page: str, line: str) -> None:
    name, *arguments = shlex.split(line)
    app = get_commands()[name]
    command = load_command_class(app, name) if isinstance(app, str) else app
    command.create_parser("manage.py", name).parse_args(arguments)


def test_every_make_target_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {target for page in PAGES for target in re.findall(r"\bmake ([a-z][a-z0-9-]*)", in_code(page))}
    assert named
    assert named <= targets


def test_every_module_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"python -m ((?:bench|config|tests)\.\w+)", in_code(page))}
    assert named
    assert all((ROOT / name.replace(".", "/")).with_suffix(".py").exists() for name in named)


# --- Figures


def test_the_budgets_in_the_readme_are_those_of_the_ledger() -> None:
    sooner, ordinary = (
        tomllib.loads((ROOT / f"query-budgets{way}.toml").read_text("utf-8")) for way in ("", "-ordinary")
    )
    rows = re.findall(
        r"^\| `([A-Z]+ /api/[^`]*)`[^|]*\|([^|]*)\|([^|]*)\|([^|]*)\|([^|]*)\|$", (ROOT / "README.md").read_text(), re.M
    )
    assert len(rows) > 5
    for endpoint, *told in rows:
        entries = [
            (sooner, endpoint),
            (ordinary, endpoint),
            (sooner, f"{endpoint} [hit]"),
            (sooner, f"{endpoint} [304]"),
        ]
        queries = [str(ledger[entry]["queries"]) if entry in ledger else "" for ledger, entry in entries]
        assert [cell.strip() for cell in told] == queries, endpoint


@pytest.fixture(scope="module")
def article() -> str:
    command = [sys.executable, "-m", "querybudget.tests.article"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout


def test_the_article_prints_what_it_prints(article: str) -> None:
    printed = blocks(ROOT / "docs/article.md", "console")
    assert len(printed) == 3
    for block in printed:
        assert block in article


def test_the_picture_is_of_the_present_message(article: str, tmp_path: Path) -> None:
    drawn = tmp_path / "new.svg"
    command = [sys.executable, "-m", "querybudget.tests.article", "--svg", str(drawn)]
    subprocess.run(command, cwd=ROOT, check=True)
    assert drawn.read_text() == (ROOT / "docs/failing-test.svg").read_text(), "run make picture"


# --- Variables


def test_every_variable_is_in_the_table_and_no_other() -> None:
    read = set()
    for source in (ROOT / "config").rglob("*.py"):
        read |= set(re.findall(r"env\.\w+\(\s*\"([A-Z][A-Z_]+)\"", source.read_text()))
    rows = re.findall(r"^\| (`[A-Z].*?) \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
    assert told == read


# --- Errors


def test_every_code_of_an_error_is_in_the_table() -> None:
    raised = r"(?:Conflict|Unprocessable|Unavailable|problems\.response)\([^()]*?\"([a-z]+_?[a-z_]+)\"[,)]"
    folders = ("api", "businesses", "orders", "config")
    sources = "".join(file.read_text() for folder in folders for file in (ROOT / folder).rglob("*.py"))
    codes = set(re.findall(raised, sources))
    assert {"stale_version", "overloaded", "deadline_exceeded"} <= codes
    rows = re.findall(r"^\| \d{3} \| (.*?) \|", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert codes <= {code for row in rows for code in re.findall(r"`(\w+)`", row)}


# --- Links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)]+)\)", page.read_text()):
        if not target.startswith("https://"):
            assert (page.parent / target.partition("#")[0]).exists(), target
