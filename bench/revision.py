"""A revision of the project that can be run: its files, and a Python with exactly what it requires.

Both are kept below `.run/against/`: files by their commit, virtual environments by what is installed in them, which
two revisions may share.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.contenders import BenchError
from bench.report import commit
from config.measuring import ROOT, VARIABLES
from querybudget.progress import progress

KEPT = ROOT / ".run" / "against"


@dataclass(frozen=True, slots=True)
class Revision:
    name: str
    folder: Path
    python: Path

    def manage(self, database_url: str, *arguments: str) -> str:
        """What a management command of this revision prints. Raises BenchError where it fails."""
        variables = VARIABLES | {"SECRET_KEY": secrets.token_hex(32), "DATABASE_URL": database_url}
        variables |= {"DJANGO_SETTINGS_MODULE": "config.settings", "LOG_LEVEL": "ERROR"}
        return run([str(self.python), "manage.py", *arguments], cwd=self.folder, env=os.environ | variables)


def working_tree() -> Revision:
    """The files as they are now, committed or not."""
    return Revision(commit(), ROOT, environment(ROOT / "requirements.txt"))


def checked_out(name: str) -> Revision:
    """The files of a commit, a branch or a tag.

    Raises:
        BenchError: git does not know it, or what it requires can't be installed.
    """
    try:
        sha = run(["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"], cwd=ROOT)
    except BenchError:
        raise BenchError(f"git knows no revision {name!r}") from None
    folder = KEPT / sha
    if not folder.exists():
        unfinished = folder.with_suffix(".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        archive = unfinished / "archive.tar"
        run(["git", "archive", f"--output={archive}", sha], cwd=ROOT)
        run(["tar", "-xf", archive.name], cwd=unfinished)
        archive.unlink()
        unfinished.rename(folder)
    return Revision(sha[:7], folder, environment(folder / "requirements.txt"))


def environment(requirements: Path) -> Path:
    """The Python of a virtual environment with what a file requires, made unless there is one."""
    if not requirements.exists():
        raise BenchError(f"{requirements.parent.name[:7]} has no requirements.txt")
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = KEPT / f"venv-{digest}"
    python, installed = folder / "bin" / "python", folder / "installed"
    if not installed.exists() or not python.exists():
        with progress("installing requirements.txt"):
            run([sys.executable, "-m", "venv", "--clear", str(folder)])
            run([str(python), "-m", "pip", "install", "--disable-pip-version-check", "-r", str(requirements)])
        installed.touch()
    return python


def run(command: Sequence[str], **options: Any) -> str:
    """What it prints. Raises BenchError with the last line of what it says where it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    except OSError as problem:
        raise BenchError(f"{command[0]} can't be run: {problem.strerror}") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no output"]
        raise BenchError(f"{' '.join([Path(command[0]).name, *command[1:4]])}: {said[-1]}")
    return done.stdout.strip()
