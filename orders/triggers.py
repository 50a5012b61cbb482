"""Revisions rise with every write, whoever makes it: triggers on each table that an answer shows.

A service bumps its company first and stamps what it writes. These triggers see to everything else:
the admin, commands, `QuerySet.update`, `bulk_create`, a DBA. On PostgreSQL a company that was bumped
in this transaction already is left alone; which ones were is kept in a setting local to the
transaction, so what a rolled back savepoint bumped is rolled back there too. SQLite, which serves
`make run`, bumps for each row.

Any change of a row counts, whatever the column, as nobody thinks of a trigger when a serializer gets one more. Only of
users some do not, as every login writes them. A TRUNCATE raises every company: which its rows were of takes as long to
find out as a DELETE. Users and companies are truncated with all that refers to them, so they need no trigger of it.

A user's change can't see the orders of transactions that have not committed. Locking the user's key
makes those wait, as the foreign key to the user is checked at their commit; the ones that came through
before are looked for once more. So no page is kept with the old name under a revision that stays.
"""

from __future__ import annotations

from collections.abc import Iterator

from api import triggers
from api.triggers import Function, Part, Trigger
from businesses.models import User
from businesses.triggers import ROWS, before_truncate, per_statement

UNSHOWN = ("last_login", "password")
"""Columns of a user that a login writes and no answer may show; `tests/caching/test_shown_columns.py` sees to that."""

# For each table, the companies whose pages show a row of it, as a query over `r`.
OF_USER = """
    SELECT company_id FROM businesses_membership WHERE user_id = {user}
    UNION SELECT company_id FROM orders_order WHERE placed_by_id = {user}
    UNION SELECT o.company_id FROM orders_orderevent e JOIN orders_order o ON o.id = e.order_id
    WHERE e.actor_id = {user}
"""
COMPANIES = {
    "businesses_office": "SELECT r.company_id",
    "businesses_membership": "SELECT r.company_id",
    "orders_order": "SELECT r.company_id",
    "orders_orderline": "SELECT company_id FROM orders_order WHERE id = r.order_id",
    "orders_orderevent": "SELECT company_id FROM orders_order WHERE id = r.order_id",
}

# What raises whatever a missing trigger may have missed.
ALL_COMPANIES = "UPDATE businesses_company SET revision = revision + 1"
ALL_USERS = "UPDATE businesses_user SET revision = revision + 1"
THE_CATALOGUE = """
    INSERT INTO api_revision (name, value) VALUES ('catalogue', 1)
    ON CONFLICT (name) DO UPDATE SET value = api_revision.value + 1
"""

FUNCTIONS = [
    Function(
        "note_bumped_company",
        """
        BEGIN
            IF NEW.revision <= OLD.revision AND NEW *<> OLD THEN  -- byte by byte: any type, and any collation
                NEW.revision := OLD.revision + 1;  -- also where a row is saved as it was read before a bump
            END IF;
            IF NEW.revision <> OLD.revision THEN
                PERFORM set_config('orders.bumped',
                    coalesce(nullif(current_setting('orders.bumped', true), ''), ',') || NEW.id || ',', true);
            END IF;
            RETURN NEW;
        END
        """,
    ),
    Function(
        "bump_catalogue",
        """
        BEGIN
            INSERT INTO api_revision AS r (name, value) VALUES ('catalogue', 1)
            ON CONFLICT (name) DO UPDATE SET value = r.value + 1;
            RETURN NULL;
        END
        """,
    ),
    Function(
        "bump_changed_user",
        f"""
        DECLARE
            before businesses_user := OLD;
        BEGIN
            NEW.revision := greatest(OLD.revision, NEW.revision);
            {" ".join(f"before.{name} := NEW.{name};" for name in UNSHOWN)}
            IF before *<> NEW THEN
                PERFORM bump_companies(ARRAY({OF_USER.format(user="NEW.id")}));
                PERFORM 1 FROM businesses_user WHERE id = NEW.id FOR UPDATE;
                PERFORM bump_companies(ARRAY({OF_USER.format(user="NEW.id")}));
                NEW.revision := OLD.revision + 1;
            END IF;
            RETURN NEW;
        END
        """,
    ),
    Function(
        "bump_user_of_address",
        """
        BEGIN
            UPDATE businesses_user SET revision = revision + 1 WHERE id IN (OLD.user_id, NEW.user_id);
            RETURN NULL;
        END
        """,
    ),
    Function(
        "bump_every_company",
        """
        BEGIN
            PERFORM bump_companies(ARRAY(SELECT id FROM businesses_company));
            RETURN NULL;
        END
        """,
    ),
    Function(
        "bump_users_of_addresses",
        """
        BEGIN
            PERFORM bump_companies(ARRAY(SELECT id FROM businesses_company));  -- before the users, and in their order
            UPDATE businesses_user SET revision = revision + 1 WHERE id IN (SELECT user_id FROM businesses_address);
            RETURN NULL;
        END
        """,
    ),
    Function(
        "orders_refuse_event_change",
        """
        BEGIN RAISE EXCEPTION 'order events are append-only' USING ERRCODE = 'integrity_constraint_violation'; END
        """,
    ),
    *(
        Function(
            f"bump_for_{table}",
            f"""
            DECLARE
                companies bigint[] := '{{}}';
            BEGIN
                IF TG_OP <> 'INSERT' THEN
                    companies := ARRAY(SELECT DISTINCT c.id FROM gone AS r, LATERAL ({companies}) AS c(id));
                END IF;
                IF TG_OP <> 'DELETE' THEN
                    companies := companies
                        || ARRAY(SELECT DISTINCT c.id FROM come AS r, LATERAL ({companies}) AS c(id));
                END IF;
                PERFORM bump_companies(companies);
                RETURN NULL;
            END
            """,
        )
        for table, companies in COMPANIES.items()
    ),
]


def on_postgresql() -> Iterator[Part]:
    yield from FUNCTIONS
    for table, name, when, function, missed in (
        ("businesses_company", "revision", "BEFORE UPDATE", "note_bumped_company", ALL_COMPANIES),
        ("businesses_user", "revision", "BEFORE UPDATE", "bump_changed_user", ALL_USERS),
        (
            "businesses_address",
            "revision_of_user",
            "AFTER INSERT OR DELETE OR UPDATE",
            "bump_user_of_address",
            ALL_USERS,
        ),
        (
            "orders_orderevent",
            "order_events_are_append_only",
            "BEFORE DELETE OR UPDATE",
            "orders_refuse_event_change",
            "",
        ),
    ):
        sql = f"CREATE TRIGGER {name} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION {function}()"
        yield Trigger(table, name, sql, missed)
    yield Trigger(
        "orders_product",
        "revision",
        "CREATE TRIGGER revision AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON orders_product "
        "FOR EACH STATEMENT EXECUTE FUNCTION bump_catalogue()",
        THE_CATALOGUE,
    )
    for table in COMPANIES:
        for event in ROWS:
            yield per_statement(table, event, "revision", f"bump_for_{table}", ALL_COMPANIES)
        yield before_truncate(table, "revision", "bump_every_company", ALL_COMPANIES)
    yield before_truncate("businesses_address", "revision_of_user", "bump_users_of_addresses", ALL_USERS)


def on_sqlite() -> Iterator[Part]:
    """One trigger for each table and event; each bumps the companies of the row as it was and as it is."""

    def trigger(table: str, name: str, when: str, does: str, missed: str) -> Trigger:
        return Trigger(table, name, f"CREATE TRIGGER {name} AFTER {when} BEGIN {does}; END", missed)

    bump = "UPDATE businesses_company SET revision = revision + 1 WHERE id IN ({companies})"
    yield trigger(
        "businesses_company",
        "revision_of_company",
        "UPDATE ON businesses_company WHEN NEW.revision <= OLD.revision",
        "UPDATE businesses_company SET revision = OLD.revision + 1 WHERE id = NEW.id",
        ALL_COMPANIES,
    )
    shown = ", ".join(str(field.column) for field in User._meta.local_concrete_fields if field.name not in UNSHOWN)
    yield trigger(
        "businesses_user",
        "revision_of_user",
        f"UPDATE OF {shown} ON businesses_user",
        f"{bump.format(companies=OF_USER.format(user='NEW.id'))}; "
        "UPDATE businesses_user SET revision = OLD.revision + 1 WHERE id = NEW.id",
        ALL_USERS,
    )
    for event, rows in {"INSERT": ("NEW",), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD",)}.items():
        yield trigger(
            "orders_product",
            f"revision_of_catalogue_{event}",
            f"{event} ON orders_product",
            "INSERT INTO api_revision (name, value) VALUES ('catalogue', 1) "
            "ON CONFLICT (name) DO UPDATE SET value = value + 1",
            THE_CATALOGUE,
        )
        users = ", ".join(f"{row}.user_id" for row in rows)
        yield trigger(
            "businesses_address",
            f"revision_of_user_{event}",
            f"{event} ON businesses_address",
            f"UPDATE businesses_user SET revision = revision + 1 WHERE id IN ({users})",
            ALL_USERS,
        )
        for table, companies in COMPANIES.items():
            both = " UNION ".join(companies.replace("r.", f"{row}.") for row in rows)
            yield trigger(
                table, f"revision_{table}_{event}", f"{event} ON {table}", bump.format(companies=both), ALL_COMPANIES
            )


triggers.declare("orders", "postgresql", on_postgresql())
triggers.declare("orders", "sqlite", on_sqlite())
