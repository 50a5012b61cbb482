"""What tells this code from other code that may have kept pages in the same Redis."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

# Of the project's folder everything that Python could import counts, so that nobody has to think of a new package.
NOT_SERVED = {"tests", "bench", "docs", "build", "dist", "staticfiles", "node_modules", "__pycache__"}
SOURCES = {".py", ".html", ".txt", ".sql", ".js", ".css", ".toml", ".mo"}  # no suffix that keys or data have
TEMPLATES = "templates"


def fingerprint(root: Path) -> str:
    """A hash of the code and of the libraries' versions, as not every platform names its releases."""
    digest = hashlib.sha256()
    for path in files(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def files(root: Path) -> list[Path]:
    """All that the service is made of: packages and modules, templates, migrations, requirements. Nothing hidden."""
    found = [path for path in root.glob("*") if is_source(path) and is_of_root(path)]
    for folder in root.iterdir():
        below = list(sources(folder)) if is_served(folder) else []
        named = folder.name in (TEMPLATES, "requirements")
        if named or any(path.suffix == ".py" for path in below):
            found += below
    return sorted(found)


def is_of_root(path: Path) -> bool:
    libraries = path.name.startswith("requirements") and "dev" not in path.stem
    return path.suffix == ".py" or path.name in ("runtime.txt", "pyproject.toml") or libraries


def sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if is_served(path):
            yield from sources(path)
        elif is_source(path):
            yield path


def is_served(folder: Path) -> bool:
    own = folder.is_dir() and not folder.is_symlink() and not folder.name.startswith(".")
    return own and folder.name not in NOT_SERVED and not (folder / "pyvenv.cfg").exists()


def is_source(path: Path) -> bool:
    return path.suffix in SOURCES and not path.name.startswith(".") and path.is_file() and not path.is_symlink()
