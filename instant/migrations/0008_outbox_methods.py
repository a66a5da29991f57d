import json

import django
from django.db import migrations, models

METHODS = ("publish", "broadcast")
#: Django 5.1 renamed the argument, and Django 6.0 dropped the old name.
ARGUMENT = "condition" if django.VERSION >= (5, 1) else "check"


def set_aside(apps, schema_editor):
    """Move rows with other methods to a partition that nothing reads, as messages without a channel."""
    rows = apps.get_model("instant", "OutboxEntry").objects.using(schema_editor.connection.alias)
    for row in rows.exclude(method__in=METHODS).iterator():
        try:
            payload = json.loads(row.payload)
        except (ValueError, RecursionError):
            payload = row.payload
        kept = json.dumps({"refused": {"method": row.method, "payload": payload}})
        rows.filter(pk=row.pk).update(method="publish", payload=kept, partition=-1)


class Migration(migrations.Migration):
    dependencies = [("instant", "0007_revocation_session")]
    operations = [
        # The hint lets a database router decide by the table.
        migrations.RunPython(set_aside, migrations.RunPython.noop, hints={"model_name": "outboxentry"}),
        migrations.AddConstraint(
            model_name="outboxentry",
            constraint=models.CheckConstraint(
                name="instant_outbox_methods", **{ARGUMENT: models.Q(("method__in", METHODS))}
            ),
        ),
    ]
