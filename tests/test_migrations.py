"""A database as versions 2 to 4 left it is migrated in place."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from importlib import import_module

import pytest
from django.core.management import call_command
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.executor import MigrationExecutor

from instant.models import Channel, Revocation

OLD = ("instant", "0002_alter_channel_level")

#: What `sqlmigrate` of version 4.2.0 prints for its two migrations, in effect.
SCHEMA_OF_4_2 = """
CREATE TABLE "instant_channel" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT, "level" varchar(20) NOT NULL,
    "name" varchar(120) NOT NULL UNIQUE, "is_active" bool NOT NULL);
CREATE TABLE "instant_channel_groups" ("id" integer NOT NULL PRIMARY KEY AUTOINCREMENT,
    "channel_id" bigint NOT NULL REFERENCES "instant_channel" ("id") DEFERRABLE INITIALLY DEFERRED,
    "group_id" integer NOT NULL REFERENCES "auth_group" ("id") DEFERRABLE INITIALLY DEFERRED);
CREATE UNIQUE INDEX "instant_channel_groups_channel_id_group_id_be6a453e_uniq"
    ON "instant_channel_groups" ("channel_id", "group_id");
INSERT INTO "django_migrations" ("app", "name", "applied") VALUES
    ('instant', '0001_initial', '2022-01-01'), ('instant', '0002_alter_channel_level', '2022-03-01');
"""


@pytest.fixture
def database(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[BaseDatabaseWrapper]:
    """A database of its own, with nothing in it."""
    alias = f"old_{uuid.uuid4().hex}"
    connections.databases[alias] = {**connections.databases["default"], "NAME": f"file:{alias}?mode=memory"}
    with django_db_blocker.unblock():
        try:
            yield connections[alias]
        finally:
            if raw := connections[alias].connection:
                raw.close()  # Django keeps one in memory open
            del connections[alias], connections.databases[alias]


@pytest.fixture
def old(database: BaseDatabaseWrapper) -> BaseDatabaseWrapper:
    """A database at 0002, with the other apps' tables."""
    MigrationExecutor(database).migrate([OLD, ("auth", "0012_alter_user_first_name_max_length")])
    return database


def insert(database: BaseDatabaseWrapper, *rows: tuple[str, str]) -> None:
    with database.cursor() as cursor:
        for name, level in rows:
            cursor.execute(
                "INSERT INTO instant_channel (name, level, is_active) VALUES (%s, %s, %s)", [name, level, True]
            )


def migrate(database: BaseDatabaseWrapper) -> None:
    call_command("migrate", database=database.alias, verbosity=0)


def rows(database: BaseDatabaseWrapper) -> list[tuple[str, str, bool]]:
    return list(Channel.objects.using(database.alias).order_by("pk").values_list("name", "level", "is_active"))


@pytest.mark.parametrize(
    ("name", "level", "new"),
    [
        ("ns:$chan", "users", "$ns:chan"),
        ("ns:$chan", "public", "ns:chan"),
        ("$ns:$chan", "groups", "$ns:chan"),
        ("$ns:chan", "staff", "$ns:chan"),
        ("a:$b", "superuser", "$a:b"),
        ("a:b:c", "users", "$a:b:c"),
        ("$users", "users", "$users"),
        ("users", "users", "$users"),
        ("$$users", "users", "$users"),
        ("public", "public", "public"),
        ("$old", "public", "$old"),
        ("x" * 120, "users", "$" + "x" * 119),
    ],
)
def test_a_row_gets_the_name_that_its_level_asks_for(old: BaseDatabaseWrapper, name: str, level: str, new: str) -> None:
    insert(old, (name, level))
    migrate(old)
    assert rows(old) == [(new, level, True)]


def test_what_becomes_the_same_name_is_kept_once_and_switched_off_once(
    old: BaseDatabaseWrapper, capsys: pytest.CaptureFixture[str]
) -> None:
    insert(old, ("ns:$chan", "superuser"), ("$ns:$chan", "users"), ("$users", "users"), ("users", "staff"))
    migrate(old)
    found = rows(old)
    assert found[0] == ("$ns:chan", "superuser", True)
    assert found[1] == ("$ns:chan.duplicate-2", "users", False)
    assert found[2] == ("$users", "users", True)
    assert found[3] == ("$users.duplicate-4", "staff", False)
    printed = capsys.readouterr().out
    assert "'$ns:$chan' exists twice" in printed
    assert "'users' exists twice" in printed


def test_a_name_that_its_row_has_left_is_free_again(old: BaseDatabaseWrapper) -> None:
    insert(old, ("ns:chan", "users"), ("ns:$chan", "public"))
    migrate(old)
    assert rows(old) == [("$ns:chan", "users", True), ("ns:chan", "public", True)]


def test_long_duplicates_keep_within_the_column(old: BaseDatabaseWrapper) -> None:
    insert(old, ("ns:$" + "x" * 116, "users"), ("$ns:$" + "x" * 115, "users"), ("$ns:" + "x" * 116, "users"))
    migrate(old)
    names = [name for name, _, _ in rows(old)]
    assert len(set(names)) == 3
    assert all(len(name) <= 120 for name in names)


def test_groups_and_ids_stay(old: BaseDatabaseWrapper) -> None:
    insert(old, ("ns:$chan", "groups"), ("plain", "public"))
    with old.cursor() as cursor:
        cursor.execute("INSERT INTO auth_group (id, name) VALUES (7, 'editors')")
        cursor.execute("INSERT INTO instant_channel_groups (channel_id, group_id) VALUES (1, 7)")
    migrate(old)
    channel = Channel.objects.using(old.alias).get(pk=1)
    assert channel.name == "$ns:chan"
    assert list(channel.groups.values_list("pk", "name")) == [(7, "editors")]


def test_migrating_twice_changes_nothing_more(old: BaseDatabaseWrapper, capsys: pytest.CaptureFixture[str]) -> None:
    insert(old, ("ns:$chan", "users"), ("$ns:$chan", "users"), ("$old", "public"))
    migrate(old)
    assert "'$old' is public and keeps its $" in capsys.readouterr().out
    first = rows(old)
    migrate(old)
    MigrationExecutor(old).migrate([OLD])
    assert rows(old) == first
    migrate(old)
    assert rows(old) == first


def test_a_site_of_version_4_2(database: BaseDatabaseWrapper) -> None:
    """Its own tables and its own records of migrations, not those that our files would make."""
    MigrationExecutor(database).migrate([("auth", "0012_alter_user_first_name_max_length")])
    with database.connection as connection:
        connection.executescript(SCHEMA_OF_4_2)
    insert(database, ("$users", "users"), ("news", "public"), ("blog:$posts", "staff"))
    migrate(database)
    assert rows(database) == [("$users", "users", True), ("news", "public", True), ("$blog:posts", "staff", True)]
    Channel.objects.using(database.alias).create(name="more", level="users")
    assert Revocation.objects.using(database.alias).count() == 0
    applied = {name for app, name in MigrationExecutor(database).loader.applied_migrations if app == "instant"}
    assert {"0001_initial", "0002_alter_channel_level", "0003_rename_private_channels"} <= applied


def test_the_old_migrations_keep_their_names_and_effect(old: BaseDatabaseWrapper) -> None:
    with old.cursor() as cursor:
        tables = old.introspection.table_names(cursor)
        described = {
            column.name: column for column in old.introspection.get_table_description(cursor, Channel._meta.db_table)
        }
        constraints = old.introspection.get_constraints(cursor, "instant_channel")
    assert {table for table in tables if table.startswith("instant")} == {"instant_channel", "instant_channel_groups"}
    assert set(described) == {"id", "name", "level", "is_active"}
    assert not any(column.null_ok for column in described.values())
    assert described["name"].display_size == 120
    assert any(found["unique"] and found["columns"] == ["name"] for found in constraints.values())
    state = MigrationExecutor(old).loader.project_state([OLD])
    assert state.apps.get_model("instant", "Channel")._meta.get_field("level").default == "superuser"


def test_a_new_database_has_the_whole_schema(database: BaseDatabaseWrapper) -> None:
    migrate(database)
    created = Channel.objects.using(database.alias).create(name="ns", level="users")
    assert created.name == "$ns"


@pytest.mark.django_db
def test_the_models_need_no_further_migration(capsys: pytest.CaptureFixture[str]) -> None:
    call_command("makemigrations", "--check", "--dry-run", verbosity=1)
    assert "No changes detected" in capsys.readouterr().out


def test_the_rename_can_be_left_out_of_a_squash() -> None:
    operations = import_module("instant.migrations.0003_rename_private_channels").Migration.operations
    assert [operation.elidable for operation in operations] == [False, True]
