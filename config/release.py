"""What tells this code from other code that may have kept pages in the same Redis."""

from __future__ import annotations

import hashlib
from pathlib import Path

PACKAGES = ("api", "businesses", "config", "orders")


def fingerprint(root: Path) -> str:
    """A hash of the packages' sources and of the libraries' versions, as not every platform names its releases."""
    sources = sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))
    digest = hashlib.sha256()
    for path in [root / "requirements.txt", *sources]:
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]
