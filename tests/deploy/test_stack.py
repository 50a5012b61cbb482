"""`make stack`: production's shape on one machine, and nothing left when it is interrupted."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from tests.outages import closed_port
from tests.waiting import eventually

ROOT = Path(__file__).resolve().parent.parent.parent


def processes(marker: str) -> list[Path]:
    """Those that were started with this in their environment, by whomever."""
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if marker.encode() in environment.read_bytes():
                found.append(environment)
    return found


def test_it_serves_until_it_is_interrupted() -> None:
    """With the virtual environment of these tests, and fewer orders than people would want."""
    command = ["make", "stack", "ORDERS=20", f"VENV={sys.prefix}"]
    port = str(closed_port())
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], "PORT": port, "MARKER": f"stack-at-{port}"}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as stack:
        try:
            assert stack.stdout
            printed = ""
            while "serving on" not in printed:
                line = stack.stdout.readline()
                assert line, printed
                printed += line
            curl = re.search(r"^curl .*$", printed, re.MULTILINE)
            assert curl
            answered = subprocess.run(
                [*shlex.split(curl[0]), "-s", "-i"], capture_output=True, text=True, check=True
            ).stdout
            assert (
                len(processes(environment["MARKER"])) >= 5
            )  # make, both servers of tests.servers, Redis, the web process
            os.killpg(stack.pid, signal.SIGINT)
            stack.communicate(timeout=40)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(stack.pid, signal.SIGKILL)
    assert answered.startswith("HTTP/1.1 200 OK")
    assert "Strict-Transport-Security" in answered
    assert "orders; fwd=miss; stored" in answered  # Redis is there
    assert eventually(lambda: processes(environment["MARKER"]) == [])
