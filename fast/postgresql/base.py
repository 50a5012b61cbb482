"""PostgreSQL that plans repeated statements once, and learns without asking whether a kept connection still lives.

Each request's first query is preceded by a health check; Django's is `SELECT 1`, a journey to the server that
costs as much as resolving a token. A server that stops or ends a session closes its socket, and a closed
socket has something to read. One that is frozen answers neither; that is `api.watchdog`'s business.
"""

from __future__ import annotations

from select import POLLIN, poll
from typing import Any

from api.postgresql import base
from fast.postgresql.planned import Connection, Cursor


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        return super().get_connection_params() | {"connection_factory": Connection, "cursor_factory": Cursor}

    def make_debug_cursor(self, cursor: Any) -> Any:
        if isinstance(cursor, Cursor):
            cursor.shows = True
        return super().make_debug_cursor(cursor)

    def is_usable(self) -> bool:
        """Asks the server only where something is waiting to be read, or where a query has failed before."""
        return (not self.errors_occurred and self.quiet()) or super().is_usable()

    def quiet(self) -> bool:
        if self.connection.closed:
            return False
        waiting = poll()  # select() takes no descriptor above 1023
        waiting.register(self.connection.fileno(), POLLIN)
        return not waiting.poll(0)
