from django.db import migrations, models

import instant.models

# One call for a statement, a tenth of the cost of one for each row: the server is told once of each partition. Of a
# negative one it is not told, it would log an error.
NOTIFY = """
CREATE FUNCTION instant_outbox_notify() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('instant_outbox', written.partition::text)
        FROM (SELECT DISTINCT partition FROM inserted WHERE partition >= 0) AS written;
    RETURN NULL;
END
$$;
CREATE TRIGGER instant_outbox_notify AFTER INSERT ON instant_outboxentry
    REFERENCING NEW TABLE AS inserted FOR EACH STATEMENT EXECUTE FUNCTION instant_outbox_notify();
"""
FORGET = """
DROP TRIGGER instant_outbox_notify ON instant_outboxentry;
DROP FUNCTION instant_outbox_notify();
"""


def create_trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(NOTIFY)


def drop_trigger(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(FORGET)


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
        # A router that has the table elsewhere is asked about the table.
        migrations.RunPython(create_trigger, drop_trigger, hints={"model_name": "outboxentry"}),
    ]
