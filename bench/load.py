"""`config.load` in a process of its own: reads one JSON object from standard input, prints one.

In:  port, request (text), status, clients, seconds
Out: throughput (requests a second), p50 (milliseconds), answers (a number), busy (its own share of a core)
"""

from __future__ import annotations

import json
import statistics
import sys
import time
import uuid
from collections.abc import Callable
from itertools import count
from typing import Any

from config.load import LoadError, closed_loop


def main() -> None:
    task = json.load(sys.stdin)
    template = task["request"].encode()
    try:
        print(json.dumps(measure(task, numbered(template))))
    except LoadError as problem:
        sys.exit(f"{template.split(b' HTTP')[0].decode()} {problem}")


def numbered(template: bytes) -> Callable[[], bytes]:
    """Gives the request, with a number that nobody had before in place of each `{number}`."""
    if b"{number}" not in template:
        return lambda: template
    numbers, run = count(), uuid.uuid4().hex
    return lambda: template.replace(b"{number}", f"{run}-{next(numbers)}".encode())


def measure(task: dict[str, Any], request: Any) -> dict[str, float]:
    before, started = time.process_time(), time.perf_counter()
    answers = closed_loop(task["port"], request, task["clients"], task["seconds"], task["status"])
    elapsed = time.perf_counter() - started
    in_time = sum(answer.in_time for answer in answers)
    return {
        "throughput": in_time / task["seconds"] if in_time else len(answers) / elapsed,
        "p50": statistics.median(answer.seconds for answer in answers) * 1000,
        "answers": len(answers),
        "busy": (time.process_time() - before) / elapsed,
    }


if __name__ == "__main__":
    main()
