from django.db import migrations, models

import instant.models


class Migration(migrations.Migration):
    dependencies = [("instant", "0005_outboxentry")]
    operations = [
        migrations.AddField(
            model_name="channel",
            name="paths",
            field=models.JSONField(
                blank=True,
                default=list,
                help_text="Pages that join it by themselves: /news/ is that page, /news/* all below. None: every page.",
                validators=[instant.models.validate_paths],
                verbose_name="Paths",
            ),
        ),
    ]
