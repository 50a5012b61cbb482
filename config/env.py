"""Typed reading of environment variables; a wrong value stops start-up with one line that names it."""

from __future__ import annotations

import math
import os
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


def database(name: str, default: str, **options: Any) -> dict[str, Any]:
    """Django's settings of the database that a URL names. Raises ImproperlyConfigured without repeating the URL."""
    try:
        return dict(dj_database_url.parse(text(name) or default, **options))
    except (ValueError, dj_database_url.ParseError):
        raise ImproperlyConfigured(f"{name} is not a database URL such as postgres://user:password@host/name") from None


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
