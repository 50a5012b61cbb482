import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("businesses", "0005_memberships_revision"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Project",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("name", models.CharField(max_length=50)),
                ("company", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="businesses.company")),
            ],
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("title", models.CharField(max_length=50)),
                ("code", models.UUIDField(default=uuid.uuid4)),
                ("effort", models.FloatField(default=0.1)),
                ("cost", models.DecimalField(decimal_places=2, default="0.10", max_digits=10)),
                ("starts_at", models.DateTimeField()),
                ("due", models.DateField(null=True)),
                (
                    "assignee",
                    models.ForeignKey(
                        null=True, on_delete=django.db.models.deletion.CASCADE, to=settings.AUTH_USER_MODEL
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE, related_name="tasks", to="newcomer.project"
                    ),
                ),
            ],
            options={
                "ordering": ["pk"],
            },
        ),
    ]
