"""What tests of the web process share."""

from __future__ import annotations

import re
import socket
import subprocess


def announced_port(process: subprocess.Popen[str]) -> int:
    """The port that `config.server` says it serves on, as soon as it does. `process` was given PORT=0 and a pipe."""
    printed = ""
    for line in process.stdout or ():
        if found := re.search(r"serving on [^\s:]+:(\d+)", line):
            return int(found[1])
        printed += line
    raise AssertionError(f"the server ended with {process.wait()}: {printed}")


def refuses(port: int) -> bool:
    """Whether nobody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
