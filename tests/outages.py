"""Servers that are away, for real: addresses at which nothing listens."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection


def closed_port() -> int:
    """A port of this machine at which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def database_away() -> Iterator[None]:
    """Connections to the database are refused. For tests with `transactional_db`, as it closes the connection."""
    port = connection.settings_dict["PORT"]
    connection.close()
    connection.settings_dict["PORT"] = closed_port()
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["PORT"] = port


def caches_at(url: str, settings: Any) -> dict[str, dict[str, Any]]:
    """The service's cache settings with another Redis."""
    default = settings.CACHES["default"]
    return {"default": {**default, "LOCATION": url}}


def no_caches(settings: Any) -> dict[str, dict[str, Any]]:
    """The service's cache settings with a Redis that is away."""
    return caches_at(f"redis://127.0.0.1:{closed_port()}/0", settings)
