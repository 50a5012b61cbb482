"""What only PostgreSQL can hold: an order's office is of its company; events stay; numbers sort by their bytes,
so that one index serves their order and the search for a prefix under any locale.
"""

from django.db import migrations

GUARDS = [
    (
        'ALTER TABLE orders_order ALTER COLUMN number TYPE varchar(20) COLLATE "C"',
        'ALTER TABLE orders_order ALTER COLUMN number TYPE varchar(20) COLLATE "default"',
    ),
    (
        """
        ALTER TABLE orders_order ADD CONSTRAINT order_office_of_company
        FOREIGN KEY (office_id, company_id) REFERENCES businesses_office (id, company_id)
        DEFERRABLE INITIALLY DEFERRED
        """,
        "ALTER TABLE orders_order DROP CONSTRAINT order_office_of_company",
    ),
    (
        """
        CREATE FUNCTION orders_refuse_event_change() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE EXCEPTION 'order events are append-only' USING ERRCODE = 'integrity_constraint_violation'; END $$;
        CREATE TRIGGER order_events_are_append_only BEFORE UPDATE OR DELETE ON orders_orderevent
        FOR EACH ROW EXECUTE FUNCTION orders_refuse_event_change()
        """,
        """
        DROP TRIGGER order_events_are_append_only ON orders_orderevent;
        DROP FUNCTION orders_refuse_event_change()
        """,
    ),
]


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for forwards, _ in GUARDS:
            schema_editor.execute(forwards)


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        for _, backwards in reversed(GUARDS):
            schema_editor.execute(backwards)


class Migration(migrations.Migration):
    dependencies = [("orders", "0001_initial")]
    operations = [migrations.RunPython(create, drop, elidable=False)]
