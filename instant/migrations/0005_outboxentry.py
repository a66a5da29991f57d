from django.db import migrations, models

import instant.models
from instant import outbox_trigger


def create_trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(outbox_trigger.CREATE)


def drop_trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(outbox_trigger.DROP)


class Migration(migrations.Migration):
    dependencies = [("instant", "0004_revocation")]
    operations = [
        migrations.CreateModel(
            name="OutboxEntry",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("method", models.CharField(default="publish", max_length=32)),
                ("payload", instant.models.PayloadField()),
                ("partition", models.IntegerField()),
                ("created_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={"verbose_name": "Outbox entry", "verbose_name_plural": "Outbox entries"},
        ),
        migrations.CreateModel(
            name="OutboxLease",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("owner", models.CharField(max_length=32)),
                ("until", models.DateTimeField()),
            ],
            options={"verbose_name": "Outbox lease", "verbose_name_plural": "Outbox leases"},
        ),
        # The hint lets a database router decide by the table.
        migrations.RunPython(create_trigger, drop_trigger, hints={"model_name": "outboxentry"}),
    ]
