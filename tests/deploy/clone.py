"""A clone of this checkout, with what is not committed yet, and the environment of somebody who just made it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def tracked() -> list[str]:
    """The files that git has."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def cloned(folder: Path) -> Path:
    """Those files in `folder`."""
    for path in tracked():
        if (ROOT / path).exists():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, folder / path)
    return folder


def outside() -> dict[str, str]:
    """What pip needs of this environment, and nothing of the tests'."""
    needed = {
        name: value for name, value in os.environ.items() if re.match(r"PIP_|SSL_|\w+_PROXY$", name, re.IGNORECASE)
    }
    return needed | {"HOME": os.environ.get("HOME", "/"), "PATH": os.environ["PATH"]}
