"""What only the database can hold, on PostgreSQL: a membership's office is of its company."""

from django.db import migrations


def create(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "ALTER TABLE businesses_membership ADD CONSTRAINT membership_office_of_company "
            "FOREIGN KEY (office_id, company_id) REFERENCES businesses_office (id, company_id) "
            "DEFERRABLE INITIALLY DEFERRED"
        )


def drop(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("ALTER TABLE businesses_membership DROP CONSTRAINT membership_office_of_company")


class Migration(migrations.Migration):
    dependencies = [("businesses", "0001_initial")]
    operations = [migrations.RunPython(create, drop, elidable=False)]
