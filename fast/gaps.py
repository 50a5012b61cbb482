"""What SQL leaves of an answer to Python: the methods and properties that are not said in SQL.

A gap is its number and the columns that it needs, as JSON, between two control characters, which no JSON text
contains. Each different gap is filled once a request. What turns out to read more than it declares is no gap: the
serializer renders it, as it would without this module.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Expression, Model
from django.db.models.base import ModelState
from rest_framework import serializers
from rest_framework.relations import PKOnlyObject

from api.shaping import attribute, no_queries
from fast.spelling import Bound, escaped, joined, spelt

GAP = re.compile("\x01([0-9]+):(.*?)\x02", re.DOTALL)
APART = "\x03"  # between objects
MOST_KNOWN = 10_000  # gaps of a kind that are remembered for a request; an export has any number of them
MOST_LASTING = 200  # … and from one request to the next,
LASTING_LONGEST = 200  # if they are no longer than so many characters, with what fills them


class Column(NamedTuple):
    """A value that a gap needs: the to-one relations to its row, its attribute there, and its way back from JSON."""

    path: tuple[str, ...]
    name: str
    back: Callable[[Any], Any]


class LeakError(Exception):
    """A gap asked for more than its columns: this answer, and all to come, the serializer has to render."""


@dataclass(frozen=True, slots=True, eq=False)
class Gap:
    """What Python fills in: `field` reads an instance of `model` that has these columns and no others.

    Of a method or property the key is among the columns: Django loads by it what else is asked for, which is noticed.
    """

    model: type[Model]
    columns: tuple[Column, ...]
    field: Bound
    of_column: bool = False  # whether it shows one, and not what a method or property makes of some
    lasting: dict[str, str] = dataclasses.field(default_factory=dict)  # what fills it for anybody, by the values
    refused: list[str] = dataclasses.field(default_factory=list)  # the queries for anything else

    @property
    def personal(self) -> bool:
        """Whether more than the columns may count: the request, for a method of the project's own."""
        own = not type(self.field).__module__.startswith("rest_framework.")
        return own or not self.of_column or getattr(self.field, "localize", False)

    @property
    def most_bytes(self) -> int:
        """What `lasting` can take, roughly."""
        return 0 if self.personal else MOST_LASTING * (LASTING_LONGEST + 250)

    def remember(self, values: str, text: str) -> None:
        """Where there are too many, the one that is known the longest goes."""
        if len(values) + len(text) <= LASTING_LONGEST:
            while len(self.lasting) >= MOST_LASTING:
                with suppress(KeyError, RuntimeError):  # another thread's
                    del self.lasting[next(iter(self.lasting))]
            self.lasting[values] = text

    def reader(self, context: Mapping[str, Any]) -> Callable[[Iterable[Any]], str]:
        """A function from the columns' values to the JSON that the field makes of them."""
        owner: Any = copy.copy(self.field.parent)
        owner.parent, owner._context = None, context
        if type(self.field) is serializers.SerializerMethodField:  # DRF's way there takes longer than most methods
            method = getattr(owner, str(self.field.method_name))
            return lambda values: spelt(method(self.instance(values)))
        field = copy.copy(self.field)
        field.parent, field.source_attrs = owner, self.field.source_attrs[-1:]  # the instance is the last on its way

        def read(values: Iterable[Any]) -> str:
            found = field.get_attribute(self.instance(values))
            value = found.pk if isinstance(found, PKOnlyObject) else found
            return spelt(None if value is None else field.to_representation(found))

        return read

    def instance(self, values: Iterable[Any]) -> Model:
        """With the rows that its relations lead to. Other columns are deferred."""
        rows: dict[tuple[str, ...], dict[str, Any]] = {(): {}}
        for (path, name, back), value in zip(self.columns, values, strict=True):
            rows.setdefault(path, {})[name] = None if value is None else back(value)
        made = row(self.model, rows.pop(()))
        for path, read in sorted(rows.items()):  # a relation's row comes before those that it leads to
            self.attach(made, path, read)
        return made

    def attach(self, made: Model, path: tuple[str, ...], read: dict[str, Any]) -> None:
        for name in path[:-1]:
            made = getattr(made, name)
            if made is None:
                return
        relation: Any = attribute(type(made), path[-1])
        there = relation.related_model
        relation.set_cached_value(made, None if read[there._meta.pk.attname] is None else row(there, read))


def row(model: type[Model], read: dict[str, Any]) -> Model:
    """As `from_db` makes one, without its signals and arguments: 1 µs for 20."""
    made = model.__new__(model)
    made.__dict__.update(read, _state=ModelState())
    made._state.adding, made._state.db = False, DEFAULT_DB_ALIAS
    return made


def left_open(number: int, values: Expression) -> Expression:
    """The gap of this number, in SQL."""
    return joined([f"\x01{number}:", values, "\x02"])


def filler(gaps: Sequence[Gap], context: Mapping[str, Any]) -> Callable[[Iterable[str]], list[bytes]]:
    """A function that fills the gaps of objects, each different one once, or raises LeakError."""
    if not gaps:
        return lambda objects: [escaped(each).encode() for each in objects]
    read = [gap.reader(context) for gap in gaps]
    known: list[dict[str, str]] = [{} for _ in gaps]
    lasting = [{} if gap.personal else gap.lasting for gap in gaps]

    def complete(objects: Iterable[str]) -> list[bytes]:
        """All at once: to parse each gap by itself takes as long as to fill it."""
        pieces = GAP.split(APART.join(objects))  # text, gap, values, text, … text
        between = list(zip(map(int, pieces[1::3]), pieces[2::3], strict=True))
        filled = {
            (number, values): known[number].get(values) or lasting[number].get(values) for number, values in between
        }
        new = [gap for gap, text in filled.items() if text is None]
        rows = json.loads(f"[{','.join([values for _, values in new])}]")
        refused: list[str] = []
        with no_queries(refused):
            for (number, values), row in zip(new, rows, strict=True):
                try:
                    text = read[number](row)
                except Exception:
                    if not refused:
                        raise
                if refused:
                    gaps[number].refused.append(refused[0])
                    raise LeakError(refused[0])
                if len(known[number]) >= MOST_KNOWN:
                    known[number].clear()
                filled[number, values] = known[number][values] = text
                if not gaps[number].personal:
                    gaps[number].remember(values, text)
        texts = chain.from_iterable(zip(pieces[::3], [*map(filled.__getitem__, between), ""], strict=True))
        written = escaped("".join(texts)).encode()  # type: ignore[arg-type]  # none is None any more
        return written.split(APART.encode()) if written else []

    return complete
