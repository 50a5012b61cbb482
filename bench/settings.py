"""The service's settings without an access log, as the peers have none.

Where BENCH_SHELF=0 a process keeps no pages of its own (`bench.apps`).
"""

from __future__ import annotations

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "bench.apps.BenchConfig"]
