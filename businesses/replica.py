"""Reading from a replica, and only from one that has seen all that the primary has shown to this caller.

A scope holds the revisions of its companies, as the primary had them a moment ago. A replica whose
revisions are no lower has every write that they count, so what is read there is what the primary
would have said. One that lags, is away or can't be asked is left out.
"""

from __future__ import annotations

import logging
import time

from django.db import DEFAULT_DB_ALIAS, Error, connection, connections

from api.watchdog import watchdog
from businesses.models import Company
from businesses.scope import Scope

REPLICA = "replica"
ANSWER_SECONDS = 1.0  # after which a replica that is frozen is given up
PAUSE_SECONDS = 5.0  # for which a replica that could not be asked is left alone

logger = logging.getLogger(__name__)
_alone_until = 0.0


def database_for(scope: Scope) -> str:
    """The alias of the database to read this scope's orders from; costs one query where there is a replica."""
    global _alone_until
    if REPLICA not in connections.settings or connection.in_atomic_block or time.monotonic() < _alone_until:
        return DEFAULT_DB_ALIAS
    try:
        with watchdog.watching(ANSWER_SECONDS, REPLICA):
            companies = Company.objects.using(REPLICA).filter(pk__in=scope.revisions)
            seen = dict(companies.values_list("pk", "revision"))
    except Error as error:
        _alone_until = time.monotonic() + PAUSE_SECONDS
        connections[REPLICA].close()
        logger.warning("the replica is left alone for %g s: %s", PAUSE_SECONDS, str(error).strip())
        return DEFAULT_DB_ALIAS
    caught_up = all(seen.get(company, -1) >= revision for company, revision in scope.revisions.items())
    return REPLICA if caught_up else DEFAULT_DB_ALIAS
