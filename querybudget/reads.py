"""What of the fetched rows was read: columns, relations, whole rows.

Python has no cheap way to see an attribute of an instance read, so this is on only while a watch with
`audit=True` is open: every attribute of every model instance then goes through one more function
(about 0.3 µs each), and the rows are kept until the watch is gone.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model, query
from django.db.models.query import ModelIterable, RawModelIterable

from querybudget.context import everywhere, listening
from querybudget.findings import Finding
from querybudget.origins import Origin, origin_of
from querybudget.tracing import Patches

WORTH = 4096
"""Bytes that a fetch must have brought for nothing to be worth a finding."""

SHARE = 0.5
"""Share of a fetch's bytes that must be unread."""


@dataclass(slots=True, eq=False)
class Row:
    """A fetched instance. `sizes`: bytes of each column. `read`: the attributes that somebody read."""

    instance: Model
    sizes: dict[str, int]
    joined: bool
    read: set[str] = field(default_factory=set)

    @property
    def is_read(self) -> bool:
        return bool(self.read)


@dataclass(slots=True, eq=False)
class Audit:
    """The rows that were fetched under a watch."""

    rows: list[Row] = field(default_factory=list)

    def add(self, instance: Model, *, joined: bool = False) -> None:
        """Follow the reads of an instance, and of those that its query joined to it."""
        row = _rows.get(id(instance))
        if row is None:
            columns = instance.__dict__
            names = (one.attname for one in instance._meta.concrete_fields)
            sizes = {name: _size(columns[name]) for name in names if name in columns}
            row = _rows[id(instance)] = Row(instance, sizes, joined)
            self.rows.append(row)
            for related in instance._state.fields_cache.values():
                if isinstance(related, Model):
                    self.add(related, joined=True)

    def close(self) -> None:
        """Follow no more reads."""
        for row in self.rows:
            _rows.pop(id(row.instance), None)


_rows: dict[int, Row] = {}
"""By the id of the instance, which its row keeps alive."""

_paused = threading.local()


def _size(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, (bytes, memoryview)):
        return len(value)
    return len(str(value).encode())


def _noting(original: Any) -> Any:
    def get(self: Model, name: str) -> Any:
        if (row := _rows.get(id(self))) is not None and not getattr(_paused, "now", False):
            if name[0] != "_":
                row.read.add(name)
            elif name in ("__reduce__", "__reduce_ex__", "__getstate__"):
                row.read.update(row.sizes)
        return object.__getattribute__(self, name)

    return get


def _following(original: Any) -> Any:
    def iterate(self: Any) -> Iterator[Model]:
        audits = [watch.audited for watch in (*listening.get(), *everywhere) if watch.audited and not watch.closed]
        for row in original(self):
            for audit in audits:
                audit.add(row)
            yield row

    return iterate


def _unnoticed(original: Any) -> Any:
    """`prefetch_related_objects` looks at the relations it is about to fill: that is no reading."""

    def prefetch(*arguments: Any, **named: Any) -> Any:
        before, _paused.now = getattr(_paused, "now", False), True
        try:
            return original(*arguments, **named)
        finally:
            _paused.now = before

    return prefetch


reading = Patches(
    (Model, "__getattribute__", _noting),
    (ModelIterable, "__iter__", _following),
    (RawModelIterable, "__iter__", _following),
    (query, "prefetch_related_objects", _unnoticed),
)


@dataclass(slots=True)
class _Group:
    """The rows of one origin, over all audits."""

    origin: Origin
    rows: list[Row] = field(default_factory=list)

    @property
    def read(self) -> set[str]:
        return set().union(*(row.read for row in self.rows))

    @property
    def size(self) -> int:
        return sum(sum(row.sizes.values()) for row in self.rows)


def judge_reads(audits: Iterable[Audit]) -> list[Finding]:
    """What the requests of a run fetched and none of them read: eager loads, columns, rows."""
    groups: dict[tuple[str, ...], _Group] = {}
    for audit in audits:
        for row in audit.rows:
            origin = origin_of(row.instance)
            if origin is not None:
                groups.setdefault(_key(origin), _Group(origin)).rows.append(row)
    unused = list(_unused(groups))
    return [finding for _, finding in unused] + list(_over_fetched(groups, {key for key, _ in unused}))


def _key(origin: Origin) -> tuple[str, ...]:
    return str(origin.fetch.location), origin.fetch.model._meta.label, *origin.path


def _unused(groups: dict[tuple[str, ...], _Group]) -> Iterator[tuple[tuple[str, ...], Finding]]:
    """Eager loads whose relation no row's code ever looked at; of nested ones the outermost."""
    found: set[tuple[str, ...]] = set()
    for key, group in sorted(groups.items()):
        origin = group.origin
        parent = groups.get(key[:-1])
        if not origin.path or parent is None or key[:-1] in found:
            found.add(key) if key[:-1] in found else None
            continue
        if origin.path[-1] in parent.read:
            continue
        found.add(key)
        lookup, name = "__".join(origin.path), origin.relation or origin.path[-1]
        method = "select_related" if group.rows[0].joined else "prefetch_related"
        yield (
            key,
            Finding(
                kind="unused_eager_load",
                count=len(group.rows),
                relation=f"{parent.origin.model._meta.label}.{name}",
                path="",
                location=str(origin.fetch.location or "?"),
                what=f"{name.replace('_', ' ')} of each {parent.origin.model._meta.verbose_name}",
                message=f'{method}("{lookup}") loaded {len(group.rows)} rows, and nobody read them',
                advice=f'drop "{lookup}" from .{method}()',
            ),
        )


def _over_fetched(groups: dict[tuple[str, ...], _Group], unused: set[tuple[str, ...]]) -> Iterator[Finding]:
    fetches: dict[tuple[str, ...], list[_Group]] = {}
    for key, group in groups.items():
        if not any(key[: len(one)] == one for one in unused):
            fetches.setdefault(key[:2], []).append(group)
    for parts in fetches.values():
        size = sum(group.size for group in parts)
        waste = {id(group): _unread(group) for group in parts}
        unread = sum(sum(columns.values()) for columns in waste.values())
        if unread < WORTH or unread < SHARE * size:
            continue
        origin = parts[0].origin
        named = [_named(group, waste[id(group)]) for group in parts if waste[id(group)]]
        wanted = sorted(
            "__".join((*group.origin.path, name)) for group in parts for name in group.read & group.rows[0].sizes.keys()
        )
        yield Finding(
            kind="over_fetch",
            count=sum(len(columns) for columns in waste.values()),
            relation="",
            path="",
            location=str(origin.fetch.location or "?"),
            what=f"unread columns of {origin.fetch.model._meta.verbose_name_plural}",
            message=f"{unread / size:.0%} of {_bytes(size)} fetched was never read: {', '.join(named)}".replace(
                "%", " %"
            ),
            advice=f".only({', '.join(f'{chr(34)}{name}{chr(34)}' for name in wanted)})",
        )


def _unread(group: _Group) -> dict[str, int]:
    """Bytes of each column that no row's was read of; all of them for rows that nobody looked at. Keys are free."""
    read = group.read
    columns = {
        one.attname for one in group.origin.model._meta.concrete_fields if not (one.is_relation or one.primary_key)
    }
    sizes: dict[str, int] = {}
    for row in group.rows:
        for name in columns & row.sizes.keys():
            if name not in read or not row.is_read:
                sizes[name] = sizes.get(name, 0) + row.sizes[name]
    return {name: size for name, size in sizes.items() if size}


def _named(group: _Group, columns: dict[str, int]) -> str:
    model = group.origin.model.__name__
    idle = sum(not row.is_read for row in group.rows)
    if idle == len(group.rows):
        return f"{idle} rows of {model}"
    names = sorted(columns, key=lambda name: -columns[name])
    text = f"`{model}.{names[0]}`" if len(names) == 1 else f"{len(names)} columns of {model}, most of it `{names[0]}`"
    return f"{text}, {idle} whole rows" if idle else text


def _bytes(size: int) -> str:
    for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size} bytes"
