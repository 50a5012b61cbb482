"""Writes that are tried once more where another transaction got in their way."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import OperationalError, connection, transaction

from api.outages import sqlstate

P = ParamSpec("P")
R = TypeVar("R")

IN_THE_WAY = ("40001", "40P01")  # serialization_failure, deadlock_detected: PostgreSQL has rolled all of it back


def atomic(write: Callable[P, R]) -> Callable[P, R]:
    """`transaction.atomic` for a function that may be called twice, the second time after a deadlock or the like.

    Inside of another transaction it is called once: what has happened there before can't be repeated from here.
    """
    once = transaction.atomic(write)

    @wraps(write)
    def attempted(*args: P.args, **kwargs: P.kwargs) -> R:
        outermost = connection.get_autocommit()
        try:
            return once(*args, **kwargs)
        except OperationalError as error:
            if not outermost or sqlstate(error) not in IN_THE_WAY:
                raise
        return once(*args, **kwargs)

    return attempted
