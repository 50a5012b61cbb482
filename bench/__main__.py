"""`make bench`: ours against its peers over real HTTP, in ratios.

    python -m bench [--quick] [--results FOLDER]

Starts a PostgreSQL and a Redis, fills them, starts ours (`python -m config.server`) and the peers (`bench/peers/`),
makes sure that all answer the same and measures them by turns. Writes `docs/benchmarks.md` and
`bench/results/latest.json`.
`--quick` goes through all of it in about a minute: it shows that everything works, its figures say nothing, and it
leaves the page alone.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import django

from bench.contenders import PEERS, BenchError
from bench.report import RESULTS
from config.measuring import MeasuringError
from tests.servers import ServerMissingError, running


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of latest.json; default: bench/results")
    options = parser.parse_args()
    if not PEERS.exists():
        sys.exit("error: the peers are not installed: make .venv-peers/installed")
    os.environ |= {"DJANGO_SETTINGS_MODULE": "bench.settings", "SECRET_KEY": "bench" * 12}
    try:
        with running() as addresses:
            os.environ |= {"DATABASE_URL": addresses.database_url, "REDIS_URL": addresses.redis_url}
            django.setup()
            from bench.compare import compare

            compare(options.results, quick=options.quick)
    except (ServerMissingError, MeasuringError, BenchError) as problem:
        sys.exit(f"error: {problem}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
