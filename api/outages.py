"""Which errors of a database pass by themselves: by PostgreSQL's SQLSTATE, and not by the exception's class.

psycopg2 makes an OperationalError of most, but an InternalError of class 25 and a DatabaseError of class 72.
"""

from __future__ import annotations

import logging

from django.db import Error, InterfaceError, OperationalError, connection

from api.exceptions import Busy, Unavailable

logger = logging.getLogger(__name__)

UNREACHABLE = Unavailable, "database_unavailable", "The database can't be reached. Try again shortly."
FAILING = Unavailable, "database_unavailable", "The database can't do this at the moment. Try again shortly."
READ_ONLY = Unavailable, "read_only", "The database takes no writes at the moment; nothing was written."
LATE = Unavailable, "deadline_exceeded", "This took too long and was given up; nothing was written."
BUSY = Busy, "busy", "Others are writing the same at this moment; nothing was written. Try again."

PASSING = {  # classes and single states, as in appendix A of PostgreSQL's documentation
    "08": UNREACHABLE,  # connection exception
    "25006": READ_ONLY,  # read-only transaction: as of a primary that has become a standby
    "25P02": FAILING,  # failed transaction: something before has failed in it
    "25P03": UNREACHABLE,  # idle in transaction: the session has ended
    "25P04": LATE,  # transaction timeout
    "40": BUSY,  # transaction rollback: a serialization failure, a deadlock, a standby that has to go on
    "40003": UNREACHABLE,  # statement completion unknown
    "53": FAILING,  # insufficient resources: connections, memory, disk
    "55P03": BUSY,  # lock not available: lock_timeout
    "57": UNREACHABLE,  # operator intervention: a shutdown, a start, an idle session that has ended
    "57014": LATE,  # query canceled: statement_timeout, or an administrator
    "58": FAILING,  # system error: input and output
    "72": BUSY,  # snapshot too old
}


def unavailable(exc: BaseException | None) -> Unavailable | None:
    """The 503 that answers an error of the database which may be gone the next time; None for any other exception.

    No SQLSTATE means that no server answered. A connection that may not write ends with this request, as the next one
    may lead to a server where it can.
    """
    if not isinstance(exc, Error):
        return None
    state = sqlstate(exc)
    if state is None:
        found = UNREACHABLE if isinstance(exc, (OperationalError, InterfaceError)) else None
    else:
        found = PASSING.get(state) or PASSING.get(state[:2])
    if found is None:
        return None
    if found is READ_ONLY:
        connection.close_at = 0
    kind, code, detail = found
    logger.error("database: %s %s", state or "no answer", str(exc).partition("\n")[0])
    return kind(detail, code)


def sqlstate(exc: Error) -> str | None:
    """PostgreSQL's five characters for what went wrong; None where no server said."""
    state: str | None = getattr(exc.__cause__, "pgcode", None)
    return state
