"""`Channel.objects.for_user`: the channels that a user may join."""

from __future__ import annotations

import itertools

import pytest
from django.contrib.auth.models import AbstractBaseUser, AnonymousUser, Group, User
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from instant.models import Channel

pytestmark = pytest.mark.django_db


class PlainUser(AbstractBaseUser):
    """A custom user model without groups and flags."""

    USERNAME_FIELD = "email"
    email = models.EmailField(unique=True)

    class Meta:
        app_label = "nobody"
        managed = False


def names(user: User | AnonymousUser | AbstractBaseUser) -> list[str]:
    return [channel.name for channel in Channel.objects.for_user(user)]


def one_of_each() -> Group:
    """A channel of each level, and the group of the one at level groups."""
    group = Group.objects.create(name="editors")
    for level in Channel.Level.values:
        Channel.objects.create(name=level, level=level).groups.set([group] if level == "groups" else [])
    return group


def test_each_flag_opens_its_own_level_and_no_other() -> None:
    one_of_each()
    for is_staff, is_superuser in itertools.product([False, True], repeat=2):
        user = User.objects.create_user(f"u{is_staff}{is_superuser}", is_staff=is_staff, is_superuser=is_superuser)
        wanted = {"public", "$users"}
        wanted |= {"$staff"} if is_staff else set()
        wanted |= {"$superuser"} if is_superuser else set()
        assert set(names(user)) == wanted


def test_groups_count_at_level_groups_only() -> None:
    group = one_of_each()
    for channel in Channel.objects.all():
        channel.groups.add(group)
    member = User.objects.create_user("member")
    member.groups.add(group)
    assert names(member) == ["$groups", "$users", "public"]


def test_another_group_opens_nothing() -> None:
    one_of_each()
    user = User.objects.create_user("user")
    user.groups.add(Group.objects.create(name="others"))
    assert "$groups" not in names(user)


def test_a_channel_of_level_groups_without_groups_is_nobodys() -> None:
    Channel.objects.create(name="none", level="groups")
    user = User.objects.create_superuser("root")
    user.groups.add(Group.objects.create(name="editors"))
    assert names(user) == []


def test_nobody_and_inactive_users_get_public_channels_only() -> None:
    group = one_of_each()
    inactive = User.objects.create_user("gone", is_active=False, is_staff=True, is_superuser=True)
    inactive.groups.add(group)
    assert names(inactive) == ["public"]
    assert names(AnonymousUser()) == ["public"]


def test_inactive_channels_are_nobodys() -> None:
    one_of_each()
    Channel.objects.update(is_active=False)
    assert names(User.objects.create_superuser("root")) == []
    assert names(AnonymousUser()) == []


def test_each_once_in_one_query_and_in_order() -> None:
    groups = [Group.objects.create(name=f"g{n}") for n in range(3)]
    for name in ("c", "a", "b"):
        Channel.objects.create(name=name, level="groups").groups.set(groups)
    Channel.objects.create(name="d", level="users").groups.set(groups)
    user = User.objects.create_user("user")
    user.groups.set(groups)
    with CaptureQueriesContext(connection) as queries:
        assert names(user) == ["$a", "$b", "$c", "$d"]
    assert len(queries) == 1


def test_for_user_goes_on_from_a_queryset() -> None:
    one_of_each()
    rows = Channel.objects.exclude(level="public").for_user(User.objects.create_user("user"))
    assert [row.name for row in rows.filter(name__contains="s")] == ["$users"]
    assert rows.count() == 1


def test_a_user_model_without_groups_and_flags() -> None:
    one_of_each()
    assert names(PlainUser(pk=1, email="a@example.org")) == ["$users", "public"]
