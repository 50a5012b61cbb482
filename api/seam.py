"""The one seam of what is faster: an ordinary function, and what may be asked in its place.

`@accelerable` marks a function, or a method, that answers by itself. Whoever knows a faster way to the same answer
registers it with `@accelerates(function)`: it gets the same arguments and gives the same, or NotImplemented, and then
the ordinary way is gone. Nothing of the ordinary way depends on whether there is another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

_faster: dict[Any, Callable[..., Any]] = {}


def accelerable(ordinary: Callable[P, R]) -> Callable[P, R]:
    @wraps(ordinary)
    def asked(*args: P.args, **kwargs: P.kwargs) -> R:
        faster = _faster.get(asked)
        if faster:
            found: R = faster(*args, **kwargs)
            if found is not NotImplemented:
                return found
        return ordinary(*args, **kwargs)

    asked.accelerable = True  # type: ignore[attr-defined]
    return asked


def accelerates(function: Callable[..., R]) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Register the decorated function as the faster way of `function`. Raises TypeError where there can be none."""
    if not hasattr(function, "accelerable"):
        raise TypeError(f"{function!r} is not accelerable")

    def register(faster: Callable[P, R]) -> Callable[P, R]:
        _faster[function] = faster
        return faster

    return register


@contextmanager
def ordinary() -> Iterator[None]:
    """A block without any faster way, for all threads: what those are compared with."""
    registered = dict(_faster)
    _faster.clear()
    try:
        yield
    finally:
        _faster.update(registered)
