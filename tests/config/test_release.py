"""Pages that other code kept are not read, whether or not the platform names its releases."""

from __future__ import annotations

import shutil
import sys
import tomllib
from pathlib import Path

import pytest
from django.conf import settings

from config.release import files, fingerprint

SHOP = {
    "manage.py": "",
    "requirements.txt": "django==5.2\n",
    "runtime.txt": "python-3.11.7\n",
    "orders/__init__.py": "",
    "orders/views.py": "",
    "orders/migrations/0001_initial.py": "",
    "orders/templates/orders/list.html": "",
    "config/settings.py": "",
    "config/docs.js": "",
    "config/profile.toml": "",
    "templates/base.html": "",
}


def put(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path, SHOP)
    return tmp_path


def test_the_same_files_are_the_same_release(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("elsewhere")
    put(other, dict(reversed(SHOP.items())))
    assert fingerprint(root) == fingerprint(other)


@pytest.mark.parametrize("name", SHOP)
def test_each_changed_file_is_another_release(root: Path, name: str) -> None:
    before = fingerprint(root)
    with (root / name).open("a") as file:
        file.write("# changed\n")
    assert fingerprint(root) != before


@pytest.mark.parametrize("name", SHOP)
def test_so_is_one_that_is_gone(root: Path, name: str) -> None:
    before = fingerprint(root)
    (root / name).unlink()
    assert fingerprint(root) != before


NEW = [
    "billing/__init__.py",
    "billing/views.py",  # without __init__.py it is a package too
    "billing/api/v2/views.py",
    "prices.py",
    "orders/management/commands/tidy.py",
    "orders/migrations/0002_more.py",
    "orders/templates/orders/one.html",
    "orders/templates/mail/subject.txt",
    "orders/queries/page.sql",
    "orders/locale/da/LC_MESSAGES/django.mo",
    "orders/static/orders/page.css",
    "templates/404.html",
    "requirements/base.txt",
    "requirements-web.txt",
    "pyproject.toml",
]


@pytest.mark.parametrize("name", NEW)
def test_so_is_one_that_is_new(root: Path, name: str) -> None:
    before = fingerprint(root)
    put(root, {name: "new = True\n"})
    assert fingerprint(root) != before


def test_so_is_a_line_that_moved_to_the_next_file(root: Path) -> None:
    put(root, {"orders/a.py": "x = 1\n", "orders/b.py": "y = 1\n"})
    before = fingerprint(root)
    put(root, {"orders/a.py": "", "orders/b.py": "x = 1\ny = 1\n"})
    assert fingerprint(root) != before


NOTHING_OF_IT = [
    ".env",
    ".env.py",
    ".run/secret-key",
    ".run/settings.py",
    ".venv/lib/thing.py",
    ".venv-3.12/lib/thing.py",
    ".git/hooks/hook.py",
    "venv/pyvenv.cfg",
    "venv/lib/thing.py",
    "node_modules/thing/setup.py",
    "staticfiles/orders/page.css",
    "staticfiles/tool.py",
    "build/lib/orders/views.py",
    "dist/thing.py",
    "tests/test_orders.py",
    "orders/tests/test_orders.py",
    "bench/load.py",
    "docs/conf.py",
    "requirements-dev.txt",
    "orders/__pycache__/views.cpython-311.pyc",
    "orders/.secret.py",
    "orders/key.pem",
    "orders/secrets.json",
    "orders/.env",
    "orders/db.sqlite3",
    "config/.hidden/settings.py",
    "media/upload.txt",
    "README.md",
    "Makefile",
]


@pytest.mark.parametrize("name", NOTHING_OF_IT)
def test_what_is_not_run_or_not_told_is_no_part_of_it(root: Path, name: str) -> None:
    put(root, {"venv/pyvenv.cfg": ""})
    before = fingerprint(root)
    put(root, {name: "secret"})
    assert fingerprint(root) == before


def test_nothing_outside_is_part_of_it(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    before, outside = fingerprint(root), tmp_path_factory.mktemp("outside")
    put(outside, {"thing.py": ""})
    (root / "linked").symlink_to(outside)
    (root / "orders" / "gone.py").symlink_to(outside / "nothing.py")
    assert fingerprint(root) == before


def test_every_module_that_the_service_has_imported_is_part_of_it() -> None:
    """Whichever packages there are: no list has to be kept."""
    root, known = settings.BASE_DIR, set(files(settings.BASE_DIR))
    loaded = {Path(getattr(module, "__file__", None) or "built in") for module in list(sys.modules.values())}
    ours = {each.relative_to(root) for each in loaded if each.is_relative_to(root) and each.suffix == ".py"}
    ours = {each for each in ours if not {"tests", "bench"} & set(each.parts) and not each.parts[0].startswith(".")}
    assert len(ours) > 50
    assert ours <= {each.relative_to(root) for each in known}


def test_every_package_is_checked_and_measured() -> None:
    root = settings.BASE_DIR
    tools = tomllib.loads((root / "pyproject.toml").read_text())["tool"]
    packages = {each.relative_to(root).parts[0] for each in files(root) if each.parent != root and each.suffix == ".py"}
    packages |= {"fast"}  # which may be taken off
    assert set(tools["importlinter"]["root_packages"]) == packages
    assert set(tools["coverage"]["run"]["source"]) == packages
    assert {*tools["mypy"]["packages"], "querybudget"} == {*packages, "tests"}  # querybudget is checked by its own


def test_the_project_as_it_is(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(settings.BASE_DIR, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "tests", "bench"))
    assert fingerprint(copy) == fingerprint(settings.BASE_DIR)
