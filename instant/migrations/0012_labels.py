from django.db import migrations, models

import instant.models


class Migration(migrations.Migration):
    """Labels in lower case, as in Django's own models, and help texts. The database does not change."""

    dependencies = [("instant", "0011_rechecked_topic")]
    operations = [
        migrations.AlterModelOptions(
            name="channel", options={"verbose_name": "channel", "verbose_name_plural": "channels"}
        ),
        migrations.AlterModelOptions(
            name="outboxentry", options={"verbose_name": "outbox entry", "verbose_name_plural": "outbox entries"}
        ),
        migrations.AlterModelOptions(
            name="outboxlease", options={"verbose_name": "outbox lease", "verbose_name_plural": "outbox leases"}
        ),
        migrations.AlterModelOptions(
            name="revocation", options={"verbose_name": "revocation", "verbose_name_plural": "revocations"}
        ),
        migrations.AlterField(
            model_name="channel",
            name="name",
            field=models.CharField(
                help_text="The level Public removes a $ from the front of the name. Every other level adds it.",
                max_length=120,
                unique=True,
                verbose_name="name",
            ),
        ),
        migrations.AlterField(
            model_name="channel",
            name="level",
            field=models.CharField(
                choices=[
                    ("public", "Public"),
                    ("users", "Users"),
                    ("groups", "Groups"),
                    ("staff", "Staff"),
                    ("superuser", "Superuser"),
                ],
                default="superuser",
                help_text=(
                    "Who may join. Public: everyone. Users: everyone who is logged in. Groups: members of the groups "
                    "below. Staff: users with staff status. Superuser (the default): superusers only."
                ),
                max_length=20,
                verbose_name="level",
            ),
        ),
        migrations.AlterField(
            model_name="channel",
            name="is_active",
            field=models.BooleanField(default=True, verbose_name="active"),
        ),
        migrations.AlterField(
            model_name="channel",
            name="groups",
            field=models.ManyToManyField(blank=True, to="auth.group", verbose_name="groups"),
        ),
        migrations.AlterField(
            model_name="channel",
            name="paths",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text=(
                    "URL paths of the pages that join this channel automatically. /news/ is one page; /news/* is that "
                    "page and all pages below it. Without paths, every page joins it."
                ),
                validators=[instant.models.validate_paths],
                verbose_name="paths",
            ),
        ),
    ]
