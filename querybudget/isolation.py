"""Keep a request that is made again from leaving traces: in caches, and at other machines."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from contextvars import ContextVar
from ipaddress import ip_address
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

from querybudget.context import bound
from querybudget.tracing import Patches

_MISSING = object()


class _Overlay(BaseCache):
    """What is written is kept here, what is not is read from the cache below; nothing expires."""

    def __init__(self, below: Any) -> None:
        super().__init__({})
        self._below = below
        self._written: dict[tuple[Any, Any], Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)

    def get(self, key: Any, default: Any = None, version: Any = None) -> Any:
        value = self._written.get((key, version), self)
        if value is self:
            return self._below.get(key, default, version=version)
        return default if value is _MISSING else value

    def set(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None, **ignored: Any) -> None:
        self._written[key, version] = value

    def add(self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        if self.get(key, _MISSING, version) is not _MISSING:
            return False
        self.set(key, value, version=version)
        return True

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: Any = None) -> bool:
        return self.get(key, _MISSING, version) is not _MISSING

    def delete(self, key: Any, version: Any = None) -> bool:
        was_there = self.touch(key, version=version)
        self._written[key, version] = _MISSING
        return was_there

    def clear(self) -> None:
        self._written.clear()
        self._below = BaseCache({})
        self._below.get = lambda key, default=None, version=None: default

    def close(self, **ignored: Any) -> None:
        """The cache below stays open."""


@contextlib.contextmanager
def caches_untouched() -> Iterator[None]:
    """Let the block read Django's caches, and keep to itself what it writes."""
    before = {alias: caches[alias] for alias in caches}
    for alias, below in before.items():
        caches[alias] = _Overlay(below)
    try:
        yield
    finally:
        for alias, below in before.items():
            caches[alias] = below


_offline: ContextVar[bool] = ContextVar("querybudget_offline", default=False)


@contextlib.contextmanager
def offline() -> Iterator[None]:
    """Refuse the block new connections to other machines: the mocks of a test may be gone."""
    with _patches, bound(_offline, True):
        yield


def _connecting(original: Any) -> Any:
    # Inherited from the C class, as `Patches` sees it: call it by way of `super`.
    def connect(self: socket.socket, address: Any) -> None:
        if _offline.get() and not _is_here(address):
            raise ConnectionRefusedError(f"no connection to {address[0]} while a test's request is made again")
        super(socket.socket, self).connect(address)

    return connect


def _is_here(address: Any) -> bool:
    if not isinstance(address, tuple):
        return True  # a socket of this machine's file system
    try:
        return ip_address(address[0]).is_loopback
    except ValueError:
        return bool(address[0] in ("", "localhost"))


_patches = Patches((socket.socket, "connect", _connecting))
