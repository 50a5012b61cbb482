"""The wheel alone, in a fresh project, following the five lines of the README."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1]
TEMPLATES = PACKAGE / "templates"
VIEW = """
from django.contrib.auth.models import User
from django.http import JsonResponse
from django.urls import path


def people(request):
    found = []
    for user in User.objects.prefetch_related("groups"):
        found.append([group.name for group in user.groups.all()])
    return JsonResponse({"people": found})


urlpatterns = [path("people/", people)]
"""
TEST = """
from django.contrib.auth.models import Group, User
from django.test import TestCase


class PeopleTests(TestCase):
    def test_people(self):
        for name in "abc":
            User.objects.create(username=name).groups.add(Group.objects.create(name=name))
        assert len(self.client.get("/people/").json()["people"]) == 3
"""


@pytest.fixture
def shell(tmp_path):
    """Commands in a project made by `startproject`, in a virtual environment without this project."""
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "PYTEST", "DJANGO", "VIRTUAL_ENV", "COV", "TEST_"))
    }
    environment["PATH"] = f"{tmp_path / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"

    def shell(command, code=0):
        result = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout

    return shell


@pytest.mark.slow
def test_five_lines_hold_a_fresh_project_to_its_budget(shell, tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, PACKAGE]
    subprocess.run(build, check=True)
    shell("pip install -q --disable-pip-version-check ./querybudget-*.whl")
    shell("django-admin startproject mysite . && git init -q")
    (tmp_path / "mysite" / "urls.py").write_text(VIEW)
    (tmp_path / "mysite" / "tests.py").write_text(TEST)
    readme = (PACKAGE / "README.md").read_text("utf-8")
    lines = re.search(r"```sh\n(.*?)```", readme, re.DOTALL)[1].splitlines()
    assert len(lines) == 5

    outputs = [shell(line) for line in lines]

    assert "1 passed" in outputs[2]
    assert "1 passed" in outputs[4]
    assert 'queries = 2\nshapes = [\n  "read auth_user",\n  "read auth_group, auth_user_groups",\n]' in (
        tmp_path / "query-budgets.toml"
    ).read_text("utf-8")
    (tmp_path / "mysite" / "urls.py").write_text(VIEW.replace('prefetch_related("groups")', "all()"))
    failed = shell("pytest", code=1)
    assert "GET /people/: 4 queries, budget 2 " in failed
    assert "  + 2× read auth_group, auth_user_groups … mysite/urls.py:10" in failed
    assert "FAILED mysite/tests.py::PeopleTests::test_people" in failed
    shell("pytest --query-budgets-html=run.html --query-budgets-json=run.json", code=1)
    assert "GET /<wbr>people/" in (tmp_path / "run.html").read_text("utf-8")


@pytest.mark.slow
def test_the_wheel_has_the_package_its_types_and_no_tests(tmp_path):
    build = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", tmp_path, PACKAGE]
    subprocess.run(build, check=True)
    [wheel] = tmp_path.glob("*.whl")
    listing = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", wheel], check=True, capture_output=True, text=True
    ).stdout
    names = {line.split()[0] for line in listing.splitlines()[1:]}
    sources = {f"querybudget/{path.relative_to(PACKAGE)}" for path in [*PACKAGE.glob("*.py"), *TEMPLATES.iterdir()]}
    assert sources | {"querybudget/py.typed", "querybudget/report.schema.json"} <= names
    assert not [name for name in names if "test" in name or "cache" in name]
