"""What takes long is a sample in `make test`, and whole with TEST_FULL=1: `make test-full` and `.ci/full`."""

from __future__ import annotations

import os
from typing import TypeVar

import pytest

T = TypeVar("T")

FULL = os.environ.get("TEST_FULL") == "1"

full = pytest.mark.skipif(not FULL, reason="takes long: make test-full and .ci/full run it")


def whole_or(sample: T, whole: T) -> T:
    """`whole` in a full run, else `sample`."""
    return whole if FULL else sample
