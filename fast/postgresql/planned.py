"""Statements that PostgreSQL plans once for a connection, and not each time they are run.

Planning a page of orders takes as long as running it, resolving a token five times as long (measured: 0.24 ms,
prepared 0.04). The statement and its fixed parameters become a prepared statement: they are part of its plan, as
how many orders a company has decides how they are best read. What differs each time stays a parameter of it.

A name says all of what it stands for. Behind PgBouncer in transaction mode, where the session is somebody else's
after each statement, a name is so either unknown or means the same; the first that is unknown ends preparing on its
connection.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import psycopg2
from psycopg2 import errorcodes
from psycopg2.extensions import AsIs

from api import watchdog

MOST = 50  # statements that a connection knows; a page's plan takes 140 KB of the server's memory (measured)
MOST_READY = 200  # templates that a connection knows; of two, one that says the same may have been made anew
LONGEST = (
    20_000  # bytes of a text that is prepared: a page's has 5,000, one that names 1,000 rows is rarely asked again
)
NOT_READY = ("", b"")
REFUSALS = frozenset(
    {
        errorcodes.INVALID_SQL_STATEMENT_NAME,  # prepared in another session, or forgotten by DISCARD ALL
        errorcodes.DUPLICATE_PREPARED_STATEMENT,  # by another client of the session
        errorcodes.FEATURE_NOT_SUPPORTED,  # a migration has changed the type of what it returns
        errorcodes.INDETERMINATE_DATATYPE,  # a place says nothing of its parameter's type
    }
)


@dataclass(frozen=True, slots=True, eq=False)
class Template:
    """A statement worth planning once, and its parameters; those at `places` differ each time and have a name."""

    sql: str
    parameters: tuple[Any, ...]
    places: Mapping[int, str]
    number: int = field(default_factory=count().__next__, init=False)


class Planned(list[Any]):
    """A template's parameters with the values of one time, for `cursor.execute`. Raises KeyError if one is missing."""

    def __init__(self, template: Template, values: Mapping[str, Any]) -> None:
        super().__init__(template.parameters)
        self.template = template
        self.given = [values[name] for name in template.places.values()]
        for place, value in zip(template.places, self.given, strict=True):
            self[place] = value


class Connection(watchdog.Connection):
    """Knows the names of what its session was asked, the longest unused first, and which of that it has prepared.

    None where the session can't prepare. `ready`: of a template that is prepared, by its number, the name that it is
    known by, and the SQL that runs it. So it holds no text.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.prepared: OrderedDict[str, bool] | None = OrderedDict()
        self.ready: dict[int, tuple[str, bytes]] = {}


class Cursor(psycopg2.extensions.cursor):
    connection: Connection
    shows: bool = False  # whether somebody looks at the SQL that is sent

    def execute(self, query: Any, vars: Any = None) -> Any:
        """As psycopg2 does it, but for `Planned` parameters outside a transaction, which a refusal would spoil."""
        known = self.connection.prepared
        if type(vars) is not Planned or known is None or self.shows or not self.connection.autocommit:
            return super().execute(query, vars)
        name, run = self.connection.ready.get(vars.template.number, NOT_READY)
        try:
            if known.get(name) and query is vars.template.sql:
                known.move_to_end(name)
                return super().execute(run, vars.given)
            return super().execute(self.prepared(known, query, vars))
        except psycopg2.Error as error:
            if error.pgcode not in REFUSALS:
                raise
        self.connection.prepared = None
        return super().execute(query, vars)

    def prepared(self, known: OrderedDict[str, bool], query: str, parameters: Planned) -> bytes:
        """The SQL that runs it: as it is for the first time, then under its name."""
        fixed = list(parameters)
        for number, place in enumerate(parameters.template.places, start=1):
            fixed[place] = AsIs(f"${number}")
        text = self.mogrify(query, fixed)
        if len(text) > LONGEST:
            plain: bytes = self.mogrify(query, parameters)
            return plain
        name, forgotten = f"planned_{hashlib.sha256(text).hexdigest()[:40]}", ""
        is_prepared = known.get(name)  # None: it was not asked before
        known[name] = is_prepared is not None
        known.move_to_end(name)
        if len(known) > MOST:
            forgotten, was_prepared = known.popitem(last=False)
            forgotten = forgotten if was_prepared else ""
        steps = [f"DEALLOCATE {forgotten}".encode()] if forgotten else []
        if is_prepared is None:
            return b"; ".join([*steps, self.mogrify(query, parameters)])
        if not is_prepared:
            steps.append(b"PREPARE %b AS %b" % (name.encode(), text))
        places = f"({', '.join(['%s'] * len(parameters.given))})" if parameters.given else ""
        run = f"EXECUTE {name} {places}".encode()
        if query is parameters.template.sql:
            ready = self.connection.ready
            if len(ready) >= MOST_READY:
                del ready[next(iter(ready))]
            ready[parameters.template.number] = name, run
        return b"; ".join([*steps, self.mogrify(run, parameters.given)])
