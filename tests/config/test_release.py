"""Pages that other code kept are not read, whether or not the platform names its releases."""

from __future__ import annotations

import shutil
from pathlib import Path

from django.conf import settings

from config.release import PACKAGES, fingerprint


def test_a_changed_source_or_library_is_another_release(tmp_path: Path) -> None:
    for package in PACKAGES:
        shutil.copytree(settings.BASE_DIR / package, tmp_path / package)
    shutil.copy(settings.BASE_DIR / "requirements.txt", tmp_path)
    seen = [fingerprint(settings.BASE_DIR), fingerprint(tmp_path)]
    assert seen[0] == seen[1]
    for changed in ("orders/serializers.py", "requirements.txt"):
        with (tmp_path / changed).open("a") as source:
            source.write("# changed\n")
        seen.append(fingerprint(tmp_path))
    assert len(set(seen)) == 3
