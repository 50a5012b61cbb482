"""Typed reading of environment variables; a wrong value stops start-up with one line that names it."""

from __future__ import annotations

import hashlib
import math
import os
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

TRUE, FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    """The variable as it stands, without surrounding blanks."""
    return os.environ.get(name, default).strip()


def file(path: Path) -> str:
    """What a file says, nothing where there is none."""
    return path.read_text().strip() if path.exists() else ""


def database(name: str, default: str, ca: str = "", **options: Any) -> dict[str, Any]:
    """Django's settings of the database that a URL names. Raises ImproperlyConfigured without repeating the URL.

    Over a network PostgreSQL is spoken to by TLS, unless the URL (`?sslmode=disable`) or `PGSSLMODE` says otherwise.
    With `ca`, the file of an authority's certificate, the server has to prove that it is the host of the URL.
    """
    try:
        found: dict[str, Any] = dict(dj_database_url.parse(text(name) or default, **options))
    except (ValueError, dj_database_url.ParseError):
        raise ImproperlyConfigured(f"{name} is not a database URL such as postgres://user:password@host/name") from None
    given = found.get("OPTIONS", {})
    where = str(found.get("HOST") or given.get("host", ""))
    told = given.keys() & {"sslmode", "service"} or "PGSSLMODE" in os.environ
    if found["ENGINE"] == "django.db.backends.postgresql" and not told and not is_local(where):
        secured = {"sslmode": "verify-full", "sslrootcert": ca} if ca else {"sslmode": "require"}
        found["OPTIONS"] = secured | given
    return found


def is_local(hosts: str) -> bool:
    """Whether what is sent to these hosts, separated by commas as libpq has them, stays on this machine."""
    return all(map(is_local_host, hosts.split(",")))


def is_local_host(host: str) -> bool:
    if host in ("", "localhost") or host.startswith(("/", "@")):  # the last two are sockets
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def certificate(name: str, folder: Path) -> str:
    """The file of a certificate that is given by its path or as PEM text, which is written to `folder` then."""
    given = text(name)
    if not given.startswith("-----BEGIN"):
        if given and not Path(given).is_file():
            raise ImproperlyConfigured(f"{name} is neither a file nor a PEM text; it is {given[:100]!r}")
        return given
    path = folder / f"{hashlib.sha256(given.encode()).hexdigest()[:16]}.pem"
    try:
        if not path.exists():
            folder.mkdir(exist_ok=True)
            written = path.with_suffix(f".{os.getpid()}")
            written.write_text(f"{given}\n")
            written.replace(path)  # at once, as other processes start at the same time
    except OSError as problem:
        raise ImproperlyConfigured(f"{name} can't be written to {folder}, so give a file: {problem}") from None
    return str(path)


def flag(name: str, default: bool) -> bool:
    """1/true/yes/on or 0/false/no/off. Raises ImproperlyConfigured for anything else."""
    value = os.environ.get(name)
    if value is None:
        return default
    if value.lower() in TRUE | FALSE:
        return value.lower() in TRUE
    raise ImproperlyConfigured(f"{name} must be one of 1, 0, true, false, yes, no, on, off; it is {value!r}")


def choice(name: str, choices: tuple[str, ...], default: str) -> str:
    """One of `choices`. Raises ImproperlyConfigured for anything else."""
    value = os.environ.get(name, default)
    if value in choices:
        return value
    raise ImproperlyConfigured(f"{name} must be one of {', '.join(choices)}; it is {value!r}")


def integer(name: str, default: int, least: int = 0, most: float = math.inf) -> int:
    """A whole number from `least` to `most`. Raises ImproperlyConfigured for anything else."""
    value = os.environ.get(name, str(default))
    if value.strip().isdecimal() and least <= int(value) <= most:
        return int(value)
    limits = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
    raise ImproperlyConfigured(f"{name} must be a whole number {limits}; it is {value!r}")


def port(name: str, default: int) -> int:
    """Where a server listens; 0 for a free one. Raises ImproperlyConfigured for what is no port."""
    return integer(name, default, most=65_535)


def optional_integer(name: str, least: int = 0) -> int | None:
    """The same of a variable that has no default: None where it is not set."""
    return integer(name, least, least) if name in os.environ else None


def words(name: str, default: str = "") -> list[str]:
    """Comma-separated words; blanks and empty ones dropped."""
    return [word.strip() for word in os.environ.get(name, default).split(",") if word.strip()]
