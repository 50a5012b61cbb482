"""A virtual environment that is broken is made anew by the next `make run`; one that works is left alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.clone import outside
from tests.sample import full

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The Makefile of ours, and nothing to install."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    (tmp_path / "requirements.txt").write_text("")
    return tmp_path


def make(project: Path, python: str = sys.executable) -> subprocess.CompletedProcess[str]:
    command = ["make", ".venv/installed", f"PYTHON={python}"]
    # Not the variables of a `make` that runs these tests, such as VENV.
    return subprocess.run(command, cwd=project, env=outside(), capture_output=True, text=True, check=False)


def works(project: Path) -> bool:
    asked = [str(project / ".venv/bin/python"), "-m", "pip", "--version"]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def without_venv(project: Path) -> None:
    """As by Debian's python3 without python3-venv: a Python, and no pip."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project / ".venv"], check=True)


def of_a_python_that_is_gone(project: Path) -> None:
    make(project)
    for python in (project / ".venv/bin").glob("python*"):
        python.unlink()
        python.symlink_to("/nowhere/python3")


def of_a_python_with_another_library(project: Path) -> None:
    """As when the system's python3 became a newer one."""
    make(project)
    library = next((project / ".venv/lib").glob("python3.*"))
    library.rename(library.with_name("python3.2"))


def broken_off(project: Path) -> None:
    make(project)
    (project / ".venv/installed").unlink()
    (project / ".venv/unfinished").touch()
    (project / ".venv/half").touch()


LONG = [of_a_python_that_is_gone, of_a_python_with_another_library, broken_off]


@pytest.mark.parametrize("broken", [without_venv, *(pytest.param(broken, marks=full) for broken in LONG)])
def test_it_heals(project: Path, broken: object) -> None:
    broken(project)  # type: ignore[operator]
    done = make(project)
    assert (done.returncode, done.stderr) == (0, "")
    assert works(project)
    assert not (project / ".venv/half").exists()
    assert (project / ".venv/installed").exists()


def test_one_that_works_is_left_alone(project: Path) -> None:
    make(project)
    (project / ".venv/mine").touch()
    (project / "requirements.txt").touch()
    assert make(project).returncode == 0
    assert (project / ".venv/mine").exists()
    assert make(project).stdout.endswith("is up to date.\n")


@full
def test_an_installation_that_fails_is_told_and_tried_again(project: Path) -> None:
    (project / "requirements.txt").write_text("--no-index\nno-such-package==1\n")
    assert make(project).returncode != 0
    assert not (project / ".venv/installed").exists()
    (project / "requirements.txt").write_text("")
    assert make(project).returncode == 0


def test_a_python_that_is_too_old_is_named(project: Path) -> None:
    old = project / "old-python"
    old.write_text(f'#!/bin/sh\nexec {sys.executable} -c "import sys; sys.version_info = (3, 10); $(printf %s "$2")"\n')
    old.chmod(0o755)
    done = make(project, str(old))
    assert done.returncode != 0
    assert "Python 3.11 or newer is needed" in done.stderr
    assert not (project / ".venv").exists()
