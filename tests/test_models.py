"""Channels as rows: their names, however they are written, and `for_user`."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models
from django.db.models import Case, F, Value, When
from django.db.models.functions import Concat
from django.test import override_settings

from instant.exceptions import InvalidChannel
from instant.models import Channel

pytestmark = pytest.mark.django_db

LEVELS = Channel.Level.values
WITH_NAMESPACE = override_settings(INSTANT_NAMESPACES={"ns": {}})


# The row


def test_defaults() -> None:
    channel = Channel.objects.create(name="chan")
    assert (channel.name, channel.level, channel.is_active, str(channel)) == ("$chan", "superuser", True, "$chan")
    assert Channel._meta.db_table == "instant_channel"
    assert Channel._meta.get_field("name").max_length == 120
    assert [(level.name, level.value) for level in Channel.Level] == [
        ("Public", "public"),
        ("Users", "users"),
        ("Groups", "groups"),
        ("Staff", "staff"),
        ("Superuser", "superuser"),
    ]


def by_create(name: str, level: str) -> Channel:
    return Channel.objects.create(name=name, level=level)


def by_save(name: str, level: str) -> Channel:
    channel = Channel(name="other")
    channel.name, channel.level = name, level
    channel.save()
    return channel


def by_update(name: str, level: str) -> Channel:
    channel = Channel.objects.create(name="other")
    assert Channel.objects.filter(pk=channel.pk).update(name=name, level=level) == 1
    return channel


def by_bulk_create(name: str, level: str) -> Channel:
    return Channel.objects.bulk_create([Channel(name=name, level=level)])[0]


def by_bulk_update(name: str, level: str) -> Channel:
    channel = Channel.objects.create(name="other")
    channel.name, channel.level = name, level
    assert Channel.objects.bulk_update([channel], ["name", "level"]) == 1
    return channel


def by_get_or_create(name: str, level: str) -> Channel:
    return Channel.objects.get_or_create(name=name, defaults={"level": level})[0]


def by_update_or_create(name: str, level: str) -> Channel:
    channel = Channel.objects.create(name="other")
    return Channel.objects.update_or_create(pk=channel.pk, defaults={"name": name, "level": level})[0]


def by_full_clean_alone(name: str, level: str) -> Channel:
    channel = Channel(name=name, level=level)
    channel.full_clean()
    models.Model.save_base(channel)
    return channel


def by_group(name: str, level: str) -> Channel:
    return Group.objects.create(name="g").channel_set.create(name=name, level=level)


WAYS = [
    by_create,
    by_save,
    by_update,
    by_bulk_create,
    by_bulk_update,
    by_get_or_create,
    by_update_or_create,
    by_full_clean_alone,
    by_group,
]


@WITH_NAMESPACE
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["chan", "$chan", "$$chan", "ns:chan", "ns:$chan", "$ns:chan"])
@pytest.mark.parametrize("level", ["public", "users", "superuser"])
def test_the_level_decides_the_prefix_whatever_way_the_row_is_written(
    way: Callable[[str, str], Channel], name: str, level: str
) -> None:
    bare = "ns:chan" if "ns" in name else "chan"
    row = Channel.objects.get(pk=way(name, level).pk)
    assert (row.name, row.level) == (bare if level == "public" else f"${bare}", level)


def test_going_to_public_and_back_takes_the_prefix_off_and_gives_it() -> None:
    channel = Channel.objects.create(name="chan", level="users")
    for level, name in (("public", "chan"), ("staff", "$chan"), ("public", "chan")):
        channel.level = level
        channel.save()
        channel.refresh_from_db()
        assert channel.name == name


@pytest.mark.parametrize("write", ["save", "update", "bulk_update"])
def test_a_new_level_alone_renames_too(write: str) -> None:
    channel = Channel.objects.create(name="chan", level="users")
    channel.level = Channel.Level.Public
    if write == "save":
        channel.save(update_fields=["level"])
    elif write == "update":
        Channel.objects.update(level=Channel.Level.Public)
    else:
        Channel.objects.bulk_update([channel], ["level"])
    assert Channel.objects.get().name == "chan"


def test_other_fields_are_saved_alone() -> None:
    channel = Channel.objects.create(name="chan", level="users")
    channel.is_active, channel.level = False, "public"
    channel.save(update_fields=["is_active"])
    assert Channel.objects.values_list("name", "level", "is_active").get() == ("$chan", "users", False)


def test_save_takes_update_fields_once_from_an_iterator() -> None:
    channel = Channel.objects.create(name="chan", level="users")
    channel.level, channel.is_active = "public", False
    channel.save(update_fields=iter(["level", "is_active"]))
    assert Channel.objects.values_list("name", "level", "is_active").get() == ("chan", "public", False)


@pytest.mark.parametrize(
    "write",
    [
        lambda: Channel(name="gone:chan").save(),
        lambda: Channel.objects.update(name="gone:chan"),
        lambda: Channel.objects.bulk_create([Channel(name="fine"), Channel(name="gone:chan")]),
    ],
    ids=["save", "update", "bulk_create"],
)
def test_a_name_that_nobody_could_join_is_not_written(write: Callable[[], object]) -> None:
    Channel.objects.create(name="good")
    with pytest.raises(InvalidChannel, match="no namespace 'gone'"):
        write()
    assert list(Channel.objects.values_list("name", flat=True)) == ["$good"]


@pytest.mark.parametrize("name", [None, 7, "", "$"])
def test_save_refuses_what_is_no_name(name: object) -> None:
    with pytest.raises(InvalidChannel):
        Channel(name=name).save()


def test_full_clean_says_what_is_wrong_with_the_name_once() -> None:
    for name, words in (("ü", "printable ASCII"), ("gone:x", "no namespace"), ("", "cannot be blank")):
        with pytest.raises(ValidationError) as caught:
            Channel(name=name).full_clean()
        assert list(caught.value.message_dict) == ["name"]
        (text,) = caught.value.message_dict["name"]
        assert words in text


def test_the_length_counts_with_the_prefix() -> None:
    assert len(Channel.objects.create(name="x" * 119, level="users").name) == 120
    assert len(Channel.objects.create(name="y" * 120, level="public").name) == 120
    with pytest.raises(InvalidChannel, match="has 121 characters, including any"):
        Channel.objects.create(name="z" * 120, level="users")


def test_a_duplicate_is_found_under_the_name_that_will_be_saved() -> None:
    Channel.objects.create(name="$users", level="users")
    for name, level in (("users", "users"), ("users", "staff"), ("$users", "groups")):
        with pytest.raises(ValidationError) as caught:
            Channel(name=name, level=level).full_clean()
        assert list(caught.value.message_dict) == ["name"]
    Channel(name="users", level="public").full_clean()
    with pytest.raises(IntegrityError):
        Channel.objects.create(name="users", level="staff")


def test_a_row_whose_namespace_is_gone_can_be_switched_off_and_deleted() -> None:
    with WITH_NAMESPACE:
        Channel.objects.create(name="ns:chan")
    Channel.objects.create(name="other")
    assert Channel.objects.update(is_active=False) == 2
    assert not Channel.objects.filter(is_active=True).exists()
    row = Channel.objects.get(name="$ns:chan")
    row.is_active = True
    row.save(update_fields=["is_active"])
    assert Channel.objects.filter(name="$ns:chan", is_active=True).delete()[0] == 1


def test_update_refuses_fields_that_are_not_there() -> None:
    Channel.objects.create(name="chan")
    with pytest.raises(ValueError, match="colour"):
        Channel.objects.update(colour="red")


def test_update_undoes_all_when_one_row_cannot_be_saved() -> None:
    for name in ("a", "b"):
        Channel.objects.create(name=name)
    with pytest.raises(IntegrityError):
        Channel.objects.update(name="c")
    assert list(Channel.objects.order_by("name").values_list("name", flat=True)) == ["$a", "$b"]


class Router:
    """Remembers what it was asked for."""

    asked: list[str] = []

    def db_for_read(self, model: type[models.Model], **hints: object) -> str:
        self.asked.append("read")
        return "default"

    def db_for_write(self, model: type[models.Model], **hints: object) -> str:
        self.asked.append("write")
        return "default"


@pytest.mark.parametrize("write", ["update", "bulk_update"])
def test_bulk_methods_use_the_database_for_writing(write: str) -> None:
    channel = Channel.objects.create(name="chan", level="users")
    channel.level = "public"
    with override_settings(DATABASE_ROUTERS=["tests.test_models.Router"]):
        Router.asked.clear()
        if write == "update":
            Channel.objects.update(level="public")
        else:
            Channel.objects.bulk_update([channel], ["level"])
    assert Router.asked[0] == "write"  # with replicas, what is read first is what is saved


def test_bulk_create_changes_no_rows() -> None:
    with pytest.raises(ValueError, match="update_or_create"):
        Channel.objects.bulk_create(
            [Channel(name="a", level="users")], update_conflicts=True, unique_fields=["name"], update_fields=["level"]
        )


# paths


@pytest.mark.parametrize("paths", [[], ["/a/"], ["/a/", "/b/*"], ("/a/",)])
def test_a_channel_has_paths(paths: list[str]) -> None:
    assert Channel.objects.create(name="none").paths == []
    channel = Channel.objects.create(name="chan", paths=paths)
    channel.full_clean()
    channel.refresh_from_db()
    assert channel.paths == list(paths)


@pytest.mark.parametrize(
    "paths", ["/a/", ["a/"], ["/a*"], pytest.param(["/\0"], id="NUL"), [1], {"/a/": 1}, None], ids=repr
)
def test_paths_that_are_none_are_not_written(paths: object) -> None:
    row = Channel.objects.create(name="good")
    row.paths = paths
    for write in (
        row.save,
        lambda: row.save(update_fields=["paths"]),
        lambda: Channel.objects.create(name="chan", paths=paths),
        lambda: Channel.objects.update(paths=paths),
        lambda: Channel.objects.bulk_create([Channel(name="chan", paths=paths)]),
        lambda: Channel.objects.bulk_update([row], ["paths"]),
    ):
        with pytest.raises(InvalidChannel, match=r"channel '\$(good|chan)': .*path"):
            write()
    assert Channel.objects.get().paths == []


def test_full_clean_says_what_is_wrong_with_the_paths() -> None:
    with pytest.raises(ValidationError) as caught:
        Channel(name="chan", paths=["/a/", "b/"]).full_clean()
    (text,) = caught.value.message_dict["paths"]
    assert "'b/' does not" in text


def test_other_fields_are_saved_where_the_paths_are_wrong_already() -> None:
    channel = Channel.objects.create(name="chan", level="users")
    channel.paths, channel.is_active = "wrong", False
    channel.save(update_fields=["is_active"])
    assert Channel.objects.values_list("paths", "is_active").get() == ([], False)


# Expressions


def rows() -> list[tuple[str, str, bool]]:
    return list(Channel.objects.order_by("pk").values_list("name", "level", "is_active"))


@pytest.fixture
def two() -> list[tuple[str, str, bool]]:
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="team", level="users", is_active=False)
    return rows()


def by_bulk_update(**values: object) -> None:
    channels = list(Channel.objects.all())
    for channel in channels:
        for name, value in values.items():
            setattr(channel, name, value)
    Channel.objects.bulk_update(channels, list(values))


def by_saves(**values: object) -> None:
    for channel in Channel.objects.all():
        for name, value in values.items():
            setattr(channel, name, value)
        channel.save()


@pytest.mark.parametrize("write", [Channel.objects.update, by_bulk_update, by_saves])
def test_expressions_are_worked_out_before_the_name(write: Callable[..., object], two: object) -> None:
    write(level=F("level"), name=F("name"))
    assert rows() == two
    write(name=Concat("name", Value("2")))
    assert rows() == [("news2", "public", True), ("$team2", "users", False)]
    write(level=Case(When(level="public", then=Value("staff")), default=Value("public")))
    assert rows() == [("$news2", "staff", True), ("team2", "public", False)]
    write(is_active=Case(When(is_active=True, then=False), default=True))
    assert rows() == [("$news2", "staff", False), ("team2", "public", True)]


@pytest.mark.parametrize(
    "create", [Channel.objects.create, lambda **how: Channel.objects.bulk_create([Channel(**how)])]
)
def test_a_new_row_has_nothing_that_an_expression_could_stand_for(create: Callable[..., object]) -> None:
    with pytest.raises(ValueError, match=r"expression|text"):
        create(name="news", level=F("level"))
    assert rows() == []


def test_an_expression_that_closes_a_channel_ends_access() -> None:
    from instant.models import Revocation

    Channel.objects.create(name="news", level="public")
    Revocation.objects.all().delete()
    Channel.objects.update(is_active=Value(False))
    assert Revocation.objects.filter(channel="news").exists()
