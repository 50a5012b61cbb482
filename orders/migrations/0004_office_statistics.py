"""That an office has one company, told to PostgreSQL's planner.

Who may see single offices asks for orders of a company *and* of these offices. Taken for independent, the two seem to
leave next to nothing, which is then sorted and not walked in its order.
"""

from django.db import migrations


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE STATISTICS order_offices (dependencies) ON office_id, company_id FROM orders_order"
        )


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP STATISTICS order_offices")


class Migration(migrations.Migration):
    dependencies = [("orders", "0003_revisions")]
    operations = [migrations.RunPython(create, drop, elidable=False)]
