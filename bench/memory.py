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

from tests.faults import memory
from tests.servers import running
from tests.service import ROOT, Client, Service


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--orders", type=int, default=200_000)
    options = parser.parse_args()
    os.environ |= {"SECRET_KEY": "bench" * 12, "HTTPS": "0", "ALLOWED_HOSTS": "localhost"}
    with running() as addresses:
        os.environ["DATABASE_URL"] = addresses.database_url
        manage("migrate", "-v0")
        manage("seed_demo", f"--orders={options.orders}", "-v0")
        service = Service.start(**memory.ENVIRONMENT, LOG_LEVEL="INFO")
        try:
            return report(service, Client(service.port, manage("create_token", "demo")))
        finally:
            service.kill()


def manage(*arguments: str) -> str:
    command = [sys.executable, "manage.py", *arguments]
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def report(service: Service, client: Client) -> int:
    print(f"idle                                  {service.megabytes():6.1f} MB")
    memory.ask(client, ["/api/me"], memory.CLIENTS)
    orders, added = memory.added_by_export(service, client)
    print(f"an export of {orders} orders adds        {added:6.1f} MB")
    peak = memory.peak_of_lists(service, client, 960)
    print(f"peak, 960 × {memory.HEAVIEST} {peak:6.1f} MB")
    memory.ask(client, memory.ORDINARY, 1000)
    grown = memory.growth(service, client, 10_000)
    print(f"growth over 10,000 ordinary requests  {grown:6.1%}")
    return int(peak >= 130 or added >= 20 or grown > 0.1)


if __name__ == "__main__":
    sys.exit(main())
