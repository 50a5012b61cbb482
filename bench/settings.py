"""The service's settings without an access log, as the peers have none; without counting where BENCH_COUNTING=0.

Where BENCH_SHELF=0 a process keeps no pages of its own (`bench.apps`).
"""

from __future__ import annotations

import os

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS, MIDDLEWARE

INSTALLED_APPS = [*INSTALLED_APPS, "bench.apps.BenchConfig"]
if os.environ.get("BENCH_COUNTING") == "0":
    MIDDLEWARE = [name for name in MIDDLEWARE if not name.startswith("querybudget.")]
