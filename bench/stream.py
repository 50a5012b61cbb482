"""Reads 100,000 orders, in a process of its own: the service's export, or PostgreSQL's COPY of the same JSON.

    python -m bench.stream export PORT TOKEN
    python -m bench.stream copy COMPANY

Prints one JSON object: rows, bytes, seconds, first (seconds until the first byte), sample (a hundred rows).
"""

from __future__ import annotations

import json
import os
import sys
import time
from http.client import HTTPConnection
from typing import Any

import psycopg2

from bench.peers.sql import ORDER_JSON, RELATED

READ = 1 << 16
STEPS = json.dumps(  # what an owner may do, as the service says it
    {"placed": ["approved", "cancelled"], "approved": ["fulfilled", "cancelled"], "fulfilled": [], "cancelled": []}
)
SAMPLE = 100  # rows


class Sink:
    """Counts what is written to it; keeps the first rows."""

    def __init__(self) -> None:
        self.started = time.perf_counter()
        self.first = 0.0
        self.rows = self.bytes = 0
        self.head = b""

    def write(self, part: bytes) -> None:
        if not self.first:
            self.first = time.perf_counter() - self.started
        if self.rows < SAMPLE:
            self.head += part
        self.rows += part.count(b"\n")
        self.bytes += len(part)

    def result(self) -> dict[str, Any]:
        seconds = time.perf_counter() - self.started
        sample = [json.loads(line) for line in self.head.split(b"\n")[:SAMPLE] if line]
        return {"rows": self.rows, "bytes": self.bytes, "seconds": seconds, "first": self.first, "sample": sample}


def export(port: str, token: str) -> Sink:
    connection = HTTPConnection("127.0.0.1", int(port), timeout=600)
    sink = Sink()
    connection.request("GET", "/api/orders/export?format=ndjson", headers={"Authorization": f"Token {token}"})
    response = connection.getresponse()
    if response.status != 200:
        sys.exit(f"the export answers {response.status}")
    while part := response.read1(READ):
        sink.write(part)
    return sink


def copy(company: str) -> Sink:
    order = ORDER_JSON.format(user="o.placed_by_id", own=f"'{STEPS}'::json", others="NULL::json")
    query = f"""
        SELECT {order} FROM orders_order o {RELATED} WHERE o.company_id = {int(company)}
        ORDER BY o.placed_at DESC, o.id DESC
    """  # noqa: S608 constants and a number
    with psycopg2.connect(os.environ["DATABASE_URL"]) as connection, connection.cursor() as cursor:
        cursor.execute("SET LOCAL jit = off")  # which makes it faster too
        sink = Sink()
        cursor.copy_expert(f"COPY ({query}) TO STDOUT", sink)
        return sink


if __name__ == "__main__":
    print(json.dumps({"export": export, "copy": copy}[sys.argv[1]](*sys.argv[2:]).result()))
