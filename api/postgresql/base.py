"""Django's PostgreSQL, whose overdue connections can be ended (`api.watchdog`)."""

from __future__ import annotations

from typing import Any

from django.db.backends.postgresql import base

from api.watchdog import Connection


class DatabaseWrapper(base.DatabaseWrapper):
    def get_connection_params(self) -> dict[str, Any]:
        return super().get_connection_params() | {"connection_factory": Connection}
