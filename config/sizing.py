"""How many processes and threads serve, and what decided it.

Threads beyond what keeps one core busy only wait for it, and each holds a response in memory and a
connection to the database. So, for each process, the least of

- `ceil(1 / CPU share)`: while a request waits for the database, others compute. Once `manage.py
  tune_threads` has confirmed a number by measuring, that number;
- `(0.8 × memory / processes − base) / bytes in flight`: the 20 % are for what is not in flight;
- `(connections − 4) / (processes × dynos × 2) − 4`: 4 are for migrations and people, a deployment runs two
  releases at once for a while, and 4 more are used by log-ins, streams and `/readyz` (`config.lanes`).

At least 2, or one slow request would hold up all. The figures of this service's requests are recorded in
`config/profile.toml`.
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from config import env, lanes, limits

PROFILE = Path(__file__).parent / "profile.toml"
LEAST_THREADS = 2
MEMORY_SHARE = 0.8
SPARE_CONNECTIONS = 4
ENOUGH_MEMORY = 1024 * limits.MB  # for more processes than one, unless somebody asks for them


@dataclass(frozen=True, slots=True)
class Profile:
    """What a request of this service costs, measured with one thread.

    `cpu_share`: of the time of a request, spent computing. `base_bytes`: memory of an idle process.
    `flight_bytes`: added by a request under way. `threads`: the number that a sweep confirmed, if there was one.
    """

    cpu_share: float
    base_bytes: int
    flight_bytes: int
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Threads:
    count: int
    reason: str


@dataclass(frozen=True, slots=True)
class Size:
    processes: int
    threads: Threads

    def __str__(self) -> str:
        processes = f"{self.processes} process" + ("" if self.processes == 1 else "es")
        threads = f"{self.threads.count} thread" + ("" if self.threads.count == 1 else "s")
        return f"{processes} of {threads} ({self.threads.reason})"


def size() -> Size:
    """What the variables say, computed where they say nothing. Raises ImproperlyConfigured for a wrong one."""
    memory = limits.memory_bytes()
    number = processes(memory)
    given = env.optional_integer("WEB_THREADS", least=1)
    dynos = env.integer("WEB_DYNOS", 1, least=1)
    if given:
        return Size(number, Threads(given, "WEB_THREADS"))
    profile = read(PROFILE)
    connections = limits.database_connections()
    return Size(number, threads(profile, memory, number, connections, dynos))


def processes(memory: int) -> int:
    """`WEB_CONCURRENCY`, else one.

    Heroku's buildpack sets it by the dyno's memory and says so in a second variable: 2 in 512 MB. Below 1 GB that
    is not taken up, as a second process takes the memory of the first one's threads.
    """
    given = env.integer("WEB_CONCURRENCY", 1, least=1)
    by_platform = env.text("WEB_CONCURRENCY_SET_BY") != ""
    return 1 if by_platform and memory < ENOUGH_MEMORY else given


def threads(profile: Profile, memory: int, processes: int, connections: int | None, dynos: int = 1) -> Threads:
    """The least of what each cap allows, and that cap. `connections` None leaves that cap out."""
    caps = [by_processor(profile), by_memory(profile, memory, processes)]
    unknown = ""
    if connections is not None:
        share = (connections - SPARE_CONNECTIONS) // (processes * dynos * 2) - lanes.OTHER_CONNECTIONS
        caps.append(Threads(share, f"database: {connections} connections"))
    else:
        unknown = "; the database's limit is not known"
    least = min(caps, key=lambda cap: cap.count)
    if least.count < LEAST_THREADS:
        return Threads(LEAST_THREADS, f"at least {LEAST_THREADS}; {least.reason}{unknown}")
    return Threads(least.count, f"{least.reason}{unknown}")


def by_processor(profile: Profile) -> Threads:
    if profile.threads:
        return Threads(profile.threads, "best measured")
    return Threads(math.ceil(1 / profile.cpu_share), f"CPU share: {profile.cpu_share:.0%} of a request")


def by_memory(profile: Profile, memory: int, processes: int) -> Threads:
    room = MEMORY_SHARE * memory / processes - profile.base_bytes
    return Threads(max(int(room // profile.flight_bytes), 0), f"memory: {memory // limits.MB} MB")


def read(file: Path) -> Profile:
    """A recorded profile. Raises ImproperlyConfigured, naming the file, for one that is missing or wrong."""
    try:
        found: dict[str, Any] = tomllib.loads(file.read_text())
        profile = Profile(
            float(found["cpu_share"]), int(found["base_bytes"]), int(found["flight_bytes"]), found.get("threads")
        )
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise ImproperlyConfigured(f"{file.name} can't be read, write it anew with tune_threads: {problem}") from None
    if not (0 < profile.cpu_share <= 1 and profile.base_bytes > 0 and profile.flight_bytes > 0):
        raise ImproperlyConfigured(f"{file.name} has a figure that can't be: {profile}")
    return profile
