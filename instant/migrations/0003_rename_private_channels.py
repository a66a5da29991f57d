from django.db import migrations, models


def renamed(name, level):
    """Return the new name: `ns:$chan` → `$ns:chan`, or `ns:chan` if public. A private name without `$` gets one.

    A public channel called `$chan` keeps its name: it works, and the site publishes to it.
    """
    front = name.startswith("$")
    namespace, boundary, rest = name.lstrip("$").partition(":")
    bare = namespace + boundary + rest.lstrip("$")
    return bare if level == "public" and not front else "$" + bare


def rename(apps, schema_editor):
    manager = apps.get_model("instant", "Channel").objects.using(schema_editor.connection.alias)
    taken = set(manager.values_list("name", flat=True))
    for row in manager.order_by("pk"):
        name = renamed(row.name, row.level)[:120]
        if name == row.name:
            if row.level == "public" and name.startswith("$"):
                print(  # noqa: T201
                    f"\n  instant: channel {name!r} is public and keeps its $ until it is saved"
                )
            continue
        if name in taken:
            # Two rows name the same channel on the server. The later row is kept but inactive, so that neither its
            # groups nor its level extend the access that the other row grants.
            name = f"{name[:90]}.duplicate-{row.pk}"
            row.is_active = False
            print(  # noqa: T201
                f"\n  instant: channel {row.name!r} exists twice; this row is kept, inactive, as {name!r}"
            )
        taken.discard(row.name)
        taken.add(name)
        row.name = name
        row.save(update_fields=["name", "is_active"])


class Migration(migrations.Migration):
    dependencies = [("instant", "0002_alter_channel_level")]
    operations = [
        migrations.AlterField(
            model_name="channel",
            name="name",
            field=models.CharField(
                help_text="Any level but public puts a $ in front of the name, and public takes it off.",
                max_length=120,
                unique=True,
                verbose_name="Name",
            ),
        ),
        migrations.RunPython(rename, migrations.RunPython.noop, elidable=True),
    ]
