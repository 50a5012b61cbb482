"""The triggers that raise the revision of a user's memberships, whoever writes them, and that revoke tokens.

Who knows the memberships of a revision need not read them again: `businesses.authentication`. The row of `api_revision`
is locked until the commit, so that two changes of one user's memberships never have the same revision, and it is seen
together with them.

The companies of memberships are locked before that, in the order of their ids, as every other writer locks them first.
A TRUNCATE counts as a DELETE of all rows, which its trigger can still read.
"""

from __future__ import annotations

from api import triggers
from api.models import Revision
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
                PERFORM bump_companies(ARRAY(SELECT company_id FROM come));
                PERFORM bump_memberships_of(ARRAY(SELECT user_id FROM come));
            ELSIF TG_OP = 'DELETE' THEN
                PERFORM bump_companies(ARRAY(SELECT company_id FROM gone));
                PERFORM bump_memberships_of(ARRAY(SELECT user_id FROM gone));
            ELSE
                PERFORM bump_companies(ARRAY(SELECT company_id FROM gone UNION SELECT company_id FROM come));
                PERFORM bump_memberships_of(ARRAY(SELECT user_id FROM gone UNION SELECT user_id FROM come));
            END IF;
            RETURN NULL;
        END
        """,
    ),
    Function(
        "bump_all_memberships",
        """
        BEGIN
            PERFORM bump_companies(ARRAY(SELECT company_id FROM businesses_membership));
            PERFORM bump_memberships_of(ARRAY(SELECT user_id FROM businesses_membership));
            RETURN NULL;
        END
        """,
    ),
    Function(
        "bump_companies",
        """
        DECLARE
            bumped text := coalesce(current_setting('orders.bumped', true), '');
            others bigint[] := ARRAY(
                SELECT DISTINCT id FROM unnest(companies) AS id WHERE position(',' || id || ',' IN bumped) = 0
            );
        BEGIN
            IF cardinality(others) > 0 THEN
                PERFORM 1 FROM businesses_company WHERE id = ANY (others) ORDER BY id FOR UPDATE;
                UPDATE businesses_company SET revision = revision + 1 WHERE id = ANY (others);
            END IF;
        END
        """,
        parameters="companies bigint[]",
        returns="void",
    ),
    Function(
        "revoke_tokens",
        f"""
        BEGIN
            IF NEW.password <> OLD.password
                AND NOT EXISTS (SELECT 1 FROM api_revision WHERE name = '{Revision.REHASH}' || NEW.id) THEN
                DELETE FROM knox_authtoken WHERE user_id = NEW.id;
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


def before_truncate(table: str, prefix: str, function: str, missed: str) -> Trigger:
    """A trigger of PostgreSQL's that runs before the rows are gone; of many tables in one statement, of all of them."""
    name = f"{prefix}_truncate"
    sql = f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {function}()"
    return Trigger(table, name, sql, missed)


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
    [
        *FUNCTIONS,
        *(per_statement(TABLE, event, "memberships_revision", "bump_memberships", MISSED) for event in ROWS),
        before_truncate(TABLE, "memberships_revision", "bump_all_memberships", MISSED),
        Trigger(
            "businesses_user",
            "tokens_of_password",
            "CREATE TRIGGER tokens_of_password AFTER UPDATE OF password ON businesses_user "
            "FOR EACH ROW EXECUTE FUNCTION revoke_tokens()",
        ),
    ],
)
triggers.declare(
    "businesses",
    "sqlite",
    [
        *(on_sqlite(event, row) for event, row in SQLITE_ROWS),
        Trigger(
            "businesses_user",
            "tokens_of_password",
            "CREATE TRIGGER tokens_of_password AFTER UPDATE OF password ON businesses_user "
            "WHEN NEW.password <> OLD.password "
            f"AND NOT EXISTS (SELECT 1 FROM api_revision WHERE name = '{Revision.REHASH}' || NEW.id) "
            "BEGIN DELETE FROM knox_authtoken WHERE user_id = NEW.id; END",
        ),
    ],
)
