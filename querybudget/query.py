"""One statement that was sent to a database."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from querybudget.causes import Cause
from querybudget.frames import Location
from querybudget.shape import Kind, Statement


@dataclass(slots=True)
class Query:
    """One statement sent to a database.

    `rows`: fetched so far by the code under watch. `duration`: seconds in the driver, without
    fetching. `cause`: who made it. `parameters`: as handed to the driver, in no report by default.
    """

    alias: str
    sql: str
    statement: Statement
    duration: float
    cause: Cause
    parameters: Any = field(default=None, repr=False)
    rows: int = 0

    @property
    def location(self) -> Location | None:
        """The line of the application that caused it, if one was found."""
        return self.cause.location

    @property
    def kind(self) -> Kind:
        return self.statement.kind

    @property
    def shape(self) -> str:
        return self.statement.shape

    @property
    def label(self) -> str:
        """Verb and tables, and the database where it is not the default one: "read log_entry @archive"."""
        label = self.statement.label
        return label if self.alias == "default" else f"{label} @{self.alias}"
