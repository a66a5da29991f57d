from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("instant", "0009_known_rights"),
    ]

    operations = [
        migrations.RemoveConstraint(model_name="revocation", name="instant_revocation_unique"),
        migrations.AddField(
            model_name="revocation",
            name="tenant",
            field=models.CharField(blank=True, default="", max_length=64),
            preserve_default=False,
        ),
        migrations.AddConstraint(
            model_name="revocation",
            constraint=models.UniqueConstraint(
                fields=["tenant", "user", "channel", "session"], name="instant_revocation_unique"
            ),
        ),
    ]
