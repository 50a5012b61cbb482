"""The triggers that raise the revision of a user's memberships, whoever writes them.

Who knows the memberships of a revision need not read them again: `businesses.authentication`. The row of `api_revision`
is locked until the commit, so that two changes of one user's memberships never have the same revision, and it is seen
together with them.
"""

from __future__ import annotations

from api import triggers
from api.triggers import Function, Trigger

TABLE = "businesses_membership"
MISSED = """
    INSERT INTO api_revision (name, value)
    SELECT 'memberships of ' || id, 1 FROM businesses_user WHERE true
    ON CONFLICT (name) DO UPDATE SET value = api_revision.value + 1
"""
FUNCTIONS = [
    Function(
        "bump_memberships_of",
        """
        INSERT INTO api_revision AS r (name, value)
        SELECT DISTINCT 'memberships of ' || id, 1 FROM unnest(users) AS id ORDER BY 1
        ON CONFLICT (name) DO UPDATE SET value = r.value + 1
        """,
        parameters="users bigint[]",
        returns="void",
        language="sql",
    ),
    Function(
        "bump_memberships",
        """
        BEGIN
            IF TG_OP = 'INSERT' THEN
                PERFORM bump_memberships_of(ARRAY(SELECT user_id FROM come));
            ELSIF TG_OP = 'DELETE' THEN
                PERFORM bump_memberships_of(ARRAY(SELECT user_id FROM gone));
            ELSE
                PERFORM bump_memberships_of(ARRAY(SELECT user_id FROM gone UNION SELECT user_id FROM come));
            END IF;
            RETURN NULL;
        END
        """,
    ),
]
ROWS = {"INSERT": "NEW TABLE AS come", "UPDATE": "OLD TABLE AS gone NEW TABLE AS come", "DELETE": "OLD TABLE AS gone"}
"""The rows that PostgreSQL hands to a trigger of each event."""
SQLITE_ROWS = [("INSERT", "NEW"), ("UPDATE", "OLD"), ("UPDATE", "NEW"), ("DELETE", "OLD")]


def per_statement(table: str, event: str, prefix: str, function: str, missed: str) -> Trigger:
    """A trigger of PostgreSQL's that runs once for each statement, with the rows that it has changed."""
    name = f"{prefix}_{event.lower()}"
    return Trigger(
        table,
        name,
        f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {ROWS[event]} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {function}()",
        missed,
    )


def on_sqlite(event: str, row: str) -> Trigger:
    name = f"memberships_revision_{event}_{row}"
    return Trigger(
        TABLE,
        name,
        f"CREATE TRIGGER {name} AFTER {event} ON {TABLE} "
        f"BEGIN INSERT INTO api_revision (name, value) VALUES ('memberships of ' || {row}.user_id, 1) "
        "ON CONFLICT (name) DO UPDATE SET value = value + 1; END",
        MISSED,
    )


triggers.declare(
    "businesses",
    "postgresql",
    [*FUNCTIONS, *(per_statement(TABLE, event, "memberships_revision", "bump_memberships", MISSED) for event in ROWS)],
)
triggers.declare("businesses", "sqlite", [on_sqlite(event, row) for event, row in SQLITE_ROWS])
