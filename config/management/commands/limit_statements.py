"""manage.py limit_statements"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

LOCK_SECONDS = 5  # well below a deadline, so that who waits for another's lock does not take a thread until then
CHECK_SECONDS = 2  # after which a statement whose client has gone is noticed


class Command(BaseCommand):
    help = "Bound how long PostgreSQL runs one statement for this service, or waits for a lock. Part of a release."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.epilog = "Example: manage.py limit_statements --seconds 10"
        default = settings.REQUEST_DEADLINE
        parser.add_argument(
            "--seconds", type=int, default=default, help="0 lifts the bound; default: REQUEST_DEADLINE, %(default)s"
        )
        parser.add_argument(
            "--lock-seconds", type=int, default=LOCK_SECONDS, help="0 lifts the bound; default: %(default)s"
        )

    def handle(self, *args: Any, seconds: int, lock_seconds: int, **options: Any) -> None:
        """Written down for the role in this database, so that it holds for every new connection, PgBouncer's too.

        PgBouncer in transaction mode refuses the setting as a start-up option, and a SET would stay
        with its connection and so reach other clients.
        """
        for name, value in {"--seconds": seconds, "--lock-seconds": lock_seconds}.items():
            if value < 0:
                raise CommandError(f"{name} can't be {value}; 0 lifts the bound")
        if connection.vendor != "postgresql":
            self.stdout.write(f"{connection.display_name} has no such bound: nothing is changed")
            return
        database, role = (connection.ops.quote_name(part) for part in whoami())
        limits = {"statement_timeout": seconds, "lock_timeout": lock_seconds}
        if connection.pg_version >= 140_000:  # type: ignore[attr-defined]
            limits["client_connection_check_interval"] = CHECK_SECONDS
        with connection.cursor() as cursor:
            for setting, value in limits.items():
                cursor.execute(f"ALTER ROLE {role} IN DATABASE {database} SET {setting} = '{value}s'")


def whoami() -> tuple[str, str]:
    """This database and role as the server calls them."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_database(), current_user")
        database, role = cursor.fetchone()
        return database, role
