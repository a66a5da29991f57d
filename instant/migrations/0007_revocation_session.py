from django.db import migrations, models


def keep_one_of_each(apps, schema_editor):
    """Keep only the row with the latest `until` for each user and channel."""
    revocations = apps.get_model("instant", "Revocation").objects.using(schema_editor.connection.alias)
    seen = set()
    for pk, user, channel in revocations.order_by("-until", "-pk").values_list("pk", "user", "channel"):
        if (user, channel) in seen:
            revocations.filter(pk=pk).delete()
        seen.add((user, channel))


class Migration(migrations.Migration):
    dependencies = [
        ("instant", "0006_channel_paths"),
    ]

    operations = [
        migrations.AddField(
            model_name="revocation",
            name="session",
            field=models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AlterField(
            model_name="revocation",
            name="until",
            field=models.DateTimeField(null=True),
        ),
        migrations.RunPython(keep_one_of_each, migrations.RunPython.noop, elidable=True),
        migrations.AddConstraint(
            model_name="revocation",
            constraint=models.UniqueConstraint(fields=["user", "channel", "session"], name="instant_revocation_unique"),
        ),
    ]
