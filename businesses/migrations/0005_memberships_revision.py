"""A user's memberships have a revision, which triggers raise with every write, whoever makes it.

Who knows the memberships of a revision need not read them again: `businesses.authentication`. The row of `api_revision`
is locked until the commit, so that two changes of one user's memberships never have the same revision, and it is seen
together with them.
"""

from django.db import migrations

POSTGRESQL = """
CREATE FUNCTION bump_memberships_of(users bigint[]) RETURNS void LANGUAGE sql AS $$
    INSERT INTO api_revision AS r (name, value)
    SELECT DISTINCT 'memberships of ' || id, 1 FROM unnest(users) AS id ORDER BY 1
    ON CONFLICT (name) DO UPDATE SET value = r.value + 1
$$;
CREATE FUNCTION bump_memberships() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        PERFORM bump_memberships_of(ARRAY(SELECT user_id FROM come));
    ELSIF TG_OP = 'DELETE' THEN
        PERFORM bump_memberships_of(ARRAY(SELECT user_id FROM gone));
    ELSE
        PERFORM bump_memberships_of(ARRAY(SELECT user_id FROM gone UNION SELECT user_id FROM come));
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER memberships_revision_insert AFTER INSERT ON businesses_membership REFERENCING NEW TABLE AS come
    FOR EACH STATEMENT EXECUTE FUNCTION bump_memberships();
CREATE TRIGGER memberships_revision_update AFTER UPDATE ON businesses_membership
    REFERENCING OLD TABLE AS gone NEW TABLE AS come FOR EACH STATEMENT EXECUTE FUNCTION bump_memberships();
CREATE TRIGGER memberships_revision_delete AFTER DELETE ON businesses_membership REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION bump_memberships();
"""
NO_POSTGRESQL = """
DROP TRIGGER memberships_revision_insert ON businesses_membership;
DROP TRIGGER memberships_revision_update ON businesses_membership;
DROP TRIGGER memberships_revision_delete ON businesses_membership;
DROP FUNCTION bump_memberships();
DROP FUNCTION bump_memberships_of;
"""
SQLITE = """
CREATE TRIGGER memberships_revision_{event}_{row} AFTER {event} ON businesses_membership
BEGIN INSERT INTO api_revision (name, value) VALUES ('memberships of ' || {row}.user_id, 1)
ON CONFLICT (name) DO UPDATE SET value = value + 1; END
"""
ROWS = [("INSERT", "NEW"), ("UPDATE", "OLD"), ("UPDATE", "NEW"), ("DELETE", "OLD")]


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(POSTGRESQL)
    elif schema_editor.connection.vendor == "sqlite":
        for event, row in ROWS:
            schema_editor.execute(SQLITE.format(event=event, row=row))


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(NO_POSTGRESQL)
    elif schema_editor.connection.vendor == "sqlite":
        for event, row in ROWS:
            schema_editor.execute(f"DROP TRIGGER memberships_revision_{event}_{row}")


class Migration(migrations.Migration):
    dependencies = [("businesses", "0004_membership_order"), ("api", "0001_initial")]
    operations = [migrations.RunPython(create, drop, elidable=False)]
