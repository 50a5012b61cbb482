"""Memory of the server with 3 threads and 32 clients, on 200,000 orders.

    python -m bench.memory [--orders 200000]

Prints what a whole export, of half of them, adds, the peak during the heaviest list, and the growth over 10,000
ordinary requests.
Takes some minutes. Exit code 1 if the peak reaches 130 MB, the export adds 20 MB, or the growth is above 10 %.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from querybudget.progress import progress
from tests.faults import memory
from tests.servers import ServerMissingError, running
from tests.service import ROOT, Client, Service


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=200_000)
    options = parser.parse_args()
    os.environ |= {"SECRET_KEY": "bench" * 12, "HTTPS": "0", "ALLOWED_HOSTS": "localhost"}
    try:
        with running() as addresses:
            os.environ["DATABASE_URL"] = addresses.database_url
            manage("migrate", "-v0")
            manage("seed_demo", f"--orders={options.orders}")
            with Service.start(**memory.ENVIRONMENT, LOG_LEVEL="INFO") as service:
                return report(service, Client(service.port, manage("create_token", "demo")))
    except ServerMissingError as problem:
        sys.exit(f"error: {problem}")
    except subprocess.CalledProcessError as failed:
        return failed.returncode  # it has said why


def manage(*arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def report(service: Service, client: Client) -> int:
    with progress("measurements", 3) as shown:

        def say(line: str) -> None:
            with shown.aside():
                print(line, flush=True)

        say(f"idle                                  {service.megabytes():6.1f} MB")
        memory.ask(client, ["/api/me"], memory.CLIENTS)
        orders, added = memory.added_by_export(service, client)
        say(f"an export of {orders} orders adds        {added:6.1f} MB")
        shown.advance()
        peak = memory.peak_of_lists(service, client, 960)
        say(f"peak, 960 × {memory.HEAVIEST} {peak:6.1f} MB")
        shown.advance()
        memory.ask(client, memory.ORDINARY, 1000)
        grown = memory.growth(service, client, 10_000)
        say(f"growth over 10,000 ordinary requests  {grown:6.1%}")
        shown.advance()
    return int(peak >= 130 or added >= 20 or grown > 0.1)


if __name__ == "__main__":
    sys.exit(main())
