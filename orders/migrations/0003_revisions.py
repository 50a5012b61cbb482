"""Revisions rise with every write, whoever makes it: triggers on each table that an answer shows.

A service bumps its company first and stamps what it writes. These triggers see to everything else:
the admin, commands, `QuerySet.update`, `bulk_create`, a DBA. On PostgreSQL a company that was bumped
in this transaction already is left alone; which ones were is kept in a setting local to the
transaction, so what a rolled back savepoint bumped is rolled back there too. SQLite, which serves
`make run`, bumps for each row.

A user's change can't see the orders of transactions that have not committed. Locking the user's key
makes those wait, as the foreign key to the user is checked at their commit; the ones that came through
before are looked for once more. So no page is kept with the old name under a revision that stays.
"""

from django.db import migrations

# For each table, the companies whose pages show a row of it, as a query over `r`.
OF_USER = """
    SELECT company_id FROM businesses_membership WHERE user_id = {user}
    UNION SELECT company_id FROM orders_order WHERE placed_by_id = {user}
    UNION SELECT o.company_id FROM orders_orderevent e JOIN orders_order o ON o.id = e.order_id WHERE e.actor_id = {user}
"""
COMPANIES = {
    "businesses_office": "SELECT r.company_id",
    "businesses_membership": "SELECT r.company_id",
    "orders_order": "SELECT r.company_id",
    "orders_orderline": "SELECT company_id FROM orders_order WHERE id = r.order_id",
    "orders_orderevent": "SELECT company_id FROM orders_order WHERE id = r.order_id",
}
# What is shown of a user; a login writes other columns. The revision rises with an address.
SHOWN = ("username", "first_name", "last_name", "email", "revision")

POSTGRESQL = f"""
CREATE FUNCTION note_bumped_company() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.revision <= OLD.revision AND NEW IS DISTINCT FROM OLD THEN
        NEW.revision := OLD.revision + 1;  -- also where a row is saved as it was read before a bump
    END IF;
    IF NEW.revision <> OLD.revision THEN
        PERFORM set_config('orders.bumped',
            coalesce(nullif(current_setting('orders.bumped', true), ''), ',') || NEW.id || ',', true);
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER revision BEFORE UPDATE ON businesses_company FOR EACH ROW EXECUTE FUNCTION note_bumped_company();

CREATE FUNCTION bump_companies(companies bigint[]) RETURNS void LANGUAGE plpgsql AS $$
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
END $$;

CREATE FUNCTION bump_catalogue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO api_revision AS r (name, value) VALUES ('catalogue', 1) ON CONFLICT (name) DO UPDATE SET value = r.value + 1;
    RETURN NULL;
END $$;
CREATE TRIGGER revision AFTER INSERT OR UPDATE OR DELETE ON orders_product
    FOR EACH STATEMENT EXECUTE FUNCTION bump_catalogue();

CREATE FUNCTION bump_changed_user() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.revision := greatest(OLD.revision, NEW.revision);
    IF ({", ".join(f"OLD.{name}" for name in SHOWN)}) IS DISTINCT FROM ({", ".join(f"NEW.{name}" for name in SHOWN)}) THEN
        PERFORM bump_companies(ARRAY({OF_USER.format(user="NEW.id")}));
        PERFORM 1 FROM businesses_user WHERE id = NEW.id FOR UPDATE;
        PERFORM bump_companies(ARRAY({OF_USER.format(user="NEW.id")}));
        NEW.revision := OLD.revision + 1;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER revision BEFORE UPDATE ON businesses_user FOR EACH ROW EXECUTE FUNCTION bump_changed_user();

CREATE FUNCTION bump_user_of_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE businesses_user SET revision = revision + 1 WHERE id IN (OLD.user_id, NEW.user_id);
    RETURN NULL;
END $$;
CREATE TRIGGER revision_of_user AFTER INSERT OR UPDATE OR DELETE ON businesses_address
    FOR EACH ROW EXECUTE FUNCTION bump_user_of_address();
"""

POSTGRESQL_TABLE = """
CREATE FUNCTION bump_for_{table}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        PERFORM bump_companies(ARRAY(SELECT DISTINCT c.id FROM gone AS r, LATERAL ({companies}) AS c(id)));
    END IF;
    IF TG_OP <> 'DELETE' THEN
        PERFORM bump_companies(ARRAY(SELECT DISTINCT c.id FROM come AS r, LATERAL ({companies}) AS c(id)));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER revision_insert AFTER INSERT ON {table} REFERENCING NEW TABLE AS come
    FOR EACH STATEMENT EXECUTE FUNCTION bump_for_{table}();
CREATE TRIGGER revision_update AFTER UPDATE ON {table} REFERENCING OLD TABLE AS gone NEW TABLE AS come
    FOR EACH STATEMENT EXECUTE FUNCTION bump_for_{table}();
CREATE TRIGGER revision_delete AFTER DELETE ON {table} REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION bump_for_{table}();
"""

ROWS = {"INSERT": ("NEW",), "UPDATE": ("OLD", "NEW"), "DELETE": ("OLD",)}


def sqlite_statements():
    """One trigger a table and event; each bumps the companies of the row as it was and as it is."""
    bump = "UPDATE businesses_company SET revision = revision + 1 WHERE id IN ({companies})"
    yield """
        CREATE TRIGGER revision_of_company AFTER UPDATE ON businesses_company WHEN NEW.revision <= OLD.revision
        BEGIN UPDATE businesses_company SET revision = OLD.revision + 1 WHERE id = NEW.id; END
    """
    yield f"""
        CREATE TRIGGER revision_of_user AFTER UPDATE OF {", ".join(SHOWN)} ON businesses_user
        BEGIN {bump.format(companies=OF_USER.format(user="NEW.id"))};
        UPDATE businesses_user SET revision = OLD.revision + 1 WHERE id = NEW.id; END
    """
    for event, rows in ROWS.items():
        yield f"""
            CREATE TRIGGER revision_of_catalogue_{event} AFTER {event} ON orders_product
            BEGIN INSERT INTO api_revision (name, value) VALUES ('catalogue', 1)
            ON CONFLICT (name) DO UPDATE SET value = value + 1; END
        """
        users = ", ".join(f"{row}.user_id" for row in rows)
        yield f"""
            CREATE TRIGGER revision_of_user_{event} AFTER {event} ON businesses_address
            BEGIN UPDATE businesses_user SET revision = revision + 1 WHERE id IN ({users}); END
        """
        for table, companies in COMPANIES.items():
            both = " UNION ".join(companies.replace("r.", f"{row}.") for row in rows)
            yield f"CREATE TRIGGER revision_{table}_{event} AFTER {event} ON {table} BEGIN {bump.format(companies=both)}; END"


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL)
        for table, companies in COMPANIES.items():
            schema_editor.execute(POSTGRESQL_TABLE.format(table=table, companies=companies))
    elif schema_editor.connection.vendor == "sqlite":
        for statement in sqlite_statements():
            schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("orders", "0002_guards"), ("businesses", "0003_user_revision"), ("api", "0001_initial")]
    operations = [migrations.RunPython(create, elidable=False)]
