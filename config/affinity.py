"""One processor for the threads of a server, which take turns anyway.

Only one thread runs Python at a time. Spread over several processors, each turn begins with waking another one up, and
with cold caches: a 304 takes 0.32 ms of processor time so, and 0.18 on one processor (measured, 2 threads).

Which one it is stays the kernel's decision: every second the threads are let go for a moment, and then kept where a
thread was woken up that had slept through it, as that is where there was room. So processes leave busy neighbours, and
each other, alone (measured with a busy neighbour on each of two processors: 2,900 such answers a second, 2,100 without
any of this).

Processes of one server share the processors out. Left to the kernel, two that are busy sit on the same one for seconds:
the thread that looks for room has to wait for its turn at Python, and wakes up beside the one that gave it up (measured
on two processors: two answered 1.4 times as much as one; on one each it is as much as the machine has).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

from django.conf import settings

logger = logging.getLogger(__name__)

THREADS = Path("/proc/self/task")
KEPT_SECONDS = 1.0
FREE_SECONDS = 0.005
STAT_PROCESSOR = 36  # proc_pid_stat(5), field 39: two stand before the closing bracket, and counting is from 0


def keep_together(number: int = 0, of: int = 1) -> None:
    """Keep all threads of this process on one processor from now on, on Linux, unless `CPU_AFFINITY` is 0.

    It is this one, from 0, of so many processes that share the processors out.
    """
    takes_turns = getattr(sys, "_is_gil_enabled", lambda: True)()
    if settings.CPU_AFFINITY and takes_turns and hasattr(os, "sched_setaffinity"):
        allowed = share(os.sched_getaffinity(0), number, of)
        threading.Thread(target=follow, args=(allowed,), name="affinity", daemon=True).start()


def share(processors: set[int], number: int, of: int) -> set[int]:
    """Neighbours, as they are likely to have a cache together; one where there are more processes than processors."""
    first, behind = (at * len(processors) // of for at in (number, number + 1))
    return set(sorted(processors)[first : max(behind, first + 1)])


def follow(allowed: set[int]) -> None:
    try:
        place(allowed)
        while len(allowed) > 1:
            settle(allowed)
            time.sleep(KEPT_SECONDS)
    except OSError as error:
        logger.warning("threads are not kept on one processor: %s", error)
        place(allowed)


def settle(allowed: set[int]) -> None:
    """Let all threads go for a moment, then keep them where this one wakes up."""
    place(allowed)
    time.sleep(FREE_SECONDS)
    place({here()})


def place(processors: set[int]) -> None:
    for thread in THREADS.iterdir():
        with suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(int(thread.name), processors)


def here() -> int:
    """The processor that this thread runs on."""
    stat = THREADS / str(threading.get_native_id()) / "stat"
    return int(stat.read_text().rpartition(")")[2].split()[STAT_PROCESSOR])
