"""Server processes, seen from outside."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


@contextmanager
def started(*arguments: str, **variables: str) -> Iterator[subprocess.Popen[str]]:
    """Python with these arguments, in a session of its own; none of that session is left at the end."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=os.environ | variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@contextmanager
def plain_server(workers: int = 1) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """The process of `tests.config.plain`, and its port."""
    with started("-m", "tests.config.plain", str(workers), DJANGO_SETTINGS_MODULE="config.settings") as process:
        yield process, port_of(process)


def service(**variables: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """The process of `config.server`."""
    usual = {"PORT": "0", "HOST": "127.0.0.1", "LOG_LEVEL": "INFO", "PYTHONWARNINGS": "ignore"}
    return started("-m", "config.server", **(usual | variables))


def port_of(process: subprocess.Popen[str]) -> int:
    """The port that a server says it serves on."""
    assert process.stdout
    for line in process.stdout:
        if found := re.search(r"serving on .*:(\d+)$", line):
            return int(found[1])
    raise AssertionError("it ended before it served")


def eventually(holds: Callable[[], object]) -> bool:
    """Whether `holds()` becomes true within 20 s."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if holds():
            return True
        time.sleep(0.02)
    return False


def ended(process_id: int) -> bool:
    """Whether a process is gone, or a zombie that nobody has looked at."""
    try:
        return state(process_id)[0] == "Z"
    except FileNotFoundError:
        return True


def children(process_id: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()]


def processor_seconds(process_id: int) -> float:
    fields = state(process_id)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def state(process_id: int) -> list[str]:
    """The fields of /proc/PID/stat from the third on (proc(5))."""
    return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
