"""A command whose standard error is a terminal; its standard output is a pipe, or the terminal too."""

import io
import os
import signal
import subprocess
import termios
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Ran:
    """`printed`: on the pipe. `shown`: all that the terminal was sent, escape sequences and all."""

    code: int
    printed: str
    shown: str


def on_terminal(*command, interrupt_at=None, piped=True, **variables):
    """Run it to its end. `interrupt_at`: send SIGINT once the terminal shows this."""
    terminal, end = os.openpty()
    termios.tcsetwinsize(end, (24, 100))
    plain = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "TERM")}
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**plain, "TERM": "xterm", **variables},
        stdout=subprocess.PIPE if piped else end,
        stderr=end,
        text=True,
    )
    os.close(end)
    printed = []
    output: Any = process.stdout or io.StringIO()
    reader = threading.Thread(target=lambda: printed.append(output.read()))
    reader.start()
    shown = b""
    while part := _read(terminal):
        shown += part
        if interrupt_at and interrupt_at.encode() in shown:
            process.send_signal(signal.SIGINT)
            interrupt_at = None
    reader.join()
    os.close(terminal)
    return Ran(process.wait(timeout=60), printed[0], shown.decode())


def _read(terminal):
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # EIO: nobody has the other end any more
        return b""
