"""SQL that Django has no expression for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db.models import BooleanField, Func


class AmongNumbers(Func):
    """Whether a column is one of the numbers in a text: `{1,2}`.

    However many there are, they are one parameter: 1,000 of an `IN` take PostgreSQL and Django 15 ms to read.
    """

    template = "%(expressions)s)"
    arg_joiner = " = ANY ("
    output_field = BooleanField()
    conditional = True

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, tuple[Any, ...]]:
        joiner, template = " IN (SELECT value FROM json_each('[' || trim(", "%(expressions)s, '{}') || ']'))"
        return self.as_sql(compiler, connection, template=template, arg_joiner=joiner)


def numbers(values: Iterable[int]) -> str:
    """The text for `AmongNumbers`."""
    return f"{{{','.join(map(str, values))}}}"
