"""What is faster is wired in a few places, and where it is off nothing of it is there."""

from __future__ import annotations

import re

from tests.config.test_settings import NEEDED, ROOT, run

EVERYTHING = """
import sys
from config import warmup, wsgi
from django.core.management import call_command
warmup.warm_up()
call_command("check")
print(type(wsgi.application).__name__, [name for name in sys.modules if "fast" in name.split(".")])
"""


def test_nothing_of_what_is_off_is_imported() -> None:
    off, on = (run("-c", EVERYTHING, **NEEDED, FAST=flag).stdout.splitlines()[-1] for flag in "01")
    assert off == "Handler []"
    assert on.startswith("Front [")
    assert {"'fast.pages'", "'orders.fast'", "'businesses.fast'"} <= set(re.findall(r"'[a-z.]+'", on))


def test_only_what_is_wired_names_it() -> None:
    """import-linter holds the code; here are the tests, which have to pass without."""
    imports = re.compile(r"^\s*(from|import) (fast|\w+\.fast)\b|^\s*from \w+ import (.*, )?fast\b", re.MULTILINE)
    naming = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "tests").rglob("*.py")
        if imports.search(path.read_text("utf-8")) and path.parent.name != "fast"
    }
    assert naming == {"tests/conftest.py", "tests/caching/conftest.py"}  # what a process knows is forgotten
