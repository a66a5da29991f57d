from django.db import migrations, models


def renamed(name, level):
    """`ns:$chan` → `$ns:chan`, or `ns:chan` where public; a private name without its `$` gets it.

    A public channel called `$chan` stays: it works, and the site publishes to it.
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
            # Two rows for what is one channel on the server. The older name's row is kept, switched off, for a person
            # to look at: neither its groups nor its level may widen those of the other row.
            name = f"{name[:90]}.duplicate-{row.pk}"
            row.is_active = False
            print(  # noqa: T201
                f"\n  instant: channel {row.name!r} was there twice; kept, inactive, as {name!r}"
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
