from django.db import migrations, models


class Migration(migrations.Migration):
    """The same migration as in versions 2.3 to 4.2."""

    dependencies = [("instant", "0001_initial")]
    operations = [
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
                max_length=20,
                verbose_name="Authorized for",
            ),
        ),
    ]
