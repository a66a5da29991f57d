from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("instant", "0008_outbox_methods"),
    ]

    operations = [
        migrations.CreateModel(
            name="KnownRights",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("user", models.CharField(max_length=255, unique=True)),
                ("fingerprint", models.CharField(max_length=64)),
            ],
        ),
    ]
