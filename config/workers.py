"""Several processes on one port, when one core is not enough.

Each worker opens a listening socket of its own (SO_REUSEPORT) and the kernel deals the connections out.
Measured with two workers on two cores, which clients and database share: 1.7 times the throughput of one; a
socket that is opened first and shared balances badly. The application is loaded once and forked, so that
workers share its memory and a dead one is replaced in milliseconds.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from django.core.exceptions import ImproperlyConfigured

logger = logging.getLogger(__name__)

STOP = (signal.SIGTERM, signal.SIGINT)
SIGNALS = (*STOP, signal.SIGCHLD)
EARLY_SECONDS = 10.0  # a worker that dies younger than this delays the next one
LONGEST_DELAY = 30.0

Ready = Callable[[], None]
Work = Callable[[Ready, int], None]


class Worker(NamedTuple):
    """A process at work: the place among all that it has, from 0, and when it was started."""

    place: int
    started: float


def reserve(host: str, port: int) -> socket.socket:
    """A socket that is bound but does not listen: it keeps the port for the workers, and gets no connection.

    Raises:
        OSError: somebody else listens there. SO_REUSEPORT alone would share the port with them in silence.
    """
    if not hasattr(signal, "sigtimedwait") or not hasattr(socket, "SO_REUSEPORT"):
        raise ImproperlyConfigured("WEB_CONCURRENCY above 1 needs Linux")
    bound(host, port, reuse=socket.SO_REUSEADDR).close()
    return bound(host, port, reuse=socket.SO_REUSEPORT)


def listener(held: socket.socket) -> socket.socket:
    """A worker's own socket on the port that is held."""
    host, port = held.getsockname()[:2]
    return bound(host, port, reuse=socket.SO_REUSEPORT)


def bound(host: str, port: int, reuse: int) -> socket.socket:
    """A socket with this address, which does not listen yet.

    Raises:
        OSError: it is taken or not allowed; the message names it.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        opened = socket.socket(family, kind, protocol)
        try:
            opened.setsockopt(socket.SOL_SOCKET, reuse, 1)
            opened.bind(address)
        except OSError:
            opened.close()
            raise
    except OSError as problem:
        raise OSError(f"PORT {port} of {host} can't be listened on: {problem.strerror}") from None
    return opened


def supervise(work: Work, count: int, all_serve: Callable[[], None]) -> int:
    """Keep `count` processes at `work` until SIGTERM or SIGINT, then let them finish; returns the exit code.

    `work` gets a function to call once it serves, and its place, which whoever replaces it will have. `all_serve` is
    called when all do. When a worker of the first generation does not get that far the others are stopped, and the
    code is 1. One that dies later is replaced.
    """
    supervisor = Supervisor(work, count)
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)  # they are waited for, one by one
    if all(supervisor.start() for _ in range(count)):
        all_serve()
        return supervisor.watch()
    supervisor.stopping = True
    return supervisor.watch() or 1


@dataclass(slots=True)
class Supervisor:
    work: Work
    count: int
    workers: dict[int, Worker] = field(default_factory=dict)  # by process id
    early_deaths: int = 0  # in a row
    start_at: float = 0.0
    stopping: bool = False
    lifeline: tuple[int, int] = field(default_factory=os.pipe)  # nobody writes; it breaks when the supervisor ends

    def watch(self) -> int:
        """Replace workers until it is time to stop; 0 when the last has ended."""
        while self.workers or not self.stopping:
            if self.stopping:
                self.stop_all()
            elif len(self.workers) < self.count and time.monotonic() >= self.start_at:
                self.replace()
            self.wait()
        return 0

    def replace(self) -> None:
        if self.start():
            logger.info("another worker serves in its place")
        else:
            self.delay()

    def wait(self) -> None:
        """For a signal, or for the time to start the next worker."""
        idle = self.stopping or len(self.workers) == self.count
        arrived = signal.sigtimedwait(SIGNALS, 3600 if idle else max(self.start_at - time.monotonic(), 0.01))
        if arrived and arrived.si_signo in STOP:
            self.stopping = True
        self.bury()

    def bury(self) -> None:
        """Take note of workers that ended."""
        for process, worker in list(self.workers.items()):
            ended, status = os.waitpid(process, os.WNOHANG)
            if not ended:
                continue
            del self.workers[process]
            if not self.stopping:
                logger.error("worker %d ended with %d", process, os.waitstatus_to_exitcode(status))
                if time.monotonic() - worker.started < EARLY_SECONDS:
                    self.delay()
                else:
                    self.early_deaths, self.start_at = 0, 0.0

    def delay(self) -> None:
        self.start_at = time.monotonic() + min(0.5 * 2**self.early_deaths, LONGEST_DELAY)
        self.early_deaths += 1

    def stop_all(self) -> None:
        for process in self.workers:
            os.kill(process, signal.SIGTERM)

    def start(self) -> bool:
        """Fork a worker and wait until it serves; False where it ends instead."""
        place = min(set(range(self.count)) - {worker.place for worker in self.workers.values()})
        ready, says_ready = os.pipe()
        process = os.fork()
        if process == 0:
            self.become_worker(says_ready, place)
        os.close(says_ready)
        serves = os.read(ready, 1) == b"."
        os.close(ready)
        if serves:
            self.workers[process] = Worker(place, time.monotonic())
        else:
            os.waitpid(process, 0)
        return serves

    def become_worker(self, says_ready: int, place: int) -> None:
        """Work, then end the process without returning into the supervisor's code."""
        code = 1
        try:
            os.close(self.lifeline[1])
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the supervisor passes it on
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            threading.Thread(target=self.follow_supervisor, daemon=True).start()
            self.work(lambda: self.ready(says_ready), place)
            code = 0
        except (ImproperlyConfigured, OSError) as problem:
            print(f"error: {problem}", file=sys.stderr)  # noqa: T201
        except BaseException:
            traceback.print_exc()
        finally:
            logging.shutdown()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    @staticmethod
    def ready(says_ready: int) -> None:
        os.write(says_ready, b".")
        os.close(says_ready)

    def follow_supervisor(self) -> None:
        """The supervisor was killed: finish what was begun and end too."""
        os.read(self.lifeline[0], 1)
        os.kill(os.getpid(), signal.SIGTERM)
