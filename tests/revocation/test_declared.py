"""Access to a channel of the settings ends as that to a row does: tried on servers that run."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from instant.access.tokens import channel_token
from instant.models import Channel, Revocation
from instant.revocation import recheck, repeating
from tests.revocation.test_revocation import Joined, assert_still_in, joined  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def boss() -> User:
    return User.objects.create_user("boss", is_staff=True, is_superuser=True)


@pytest.fixture(autouse=True)
def declared_ones(settings: Settings) -> None:
    settings.INSTANT_SUPERUSER_CHANNELS = [["$root"]]
    settings.INSTANT_STAFF_CHANNELS = [["$desk", ["/desk/"]]]
    settings.INSTANT_USERS_CHANNELS = [["$users"]]


@pytest.mark.parametrize(("flag", "lost", "kept"), [("is_staff", "$desk", "$root"), ("is_superuser", "$root", "$desk")])
def test_a_lost_flag_takes_its_channels_only(
    boss: User,
    joined: Joined,  # noqa: F811
    flag: str,
    lost: str,
    kept: str,
) -> None:
    saved = channel_token(lost, boss)
    client = joined(boss, "$root", "$desk", "$users")
    setattr(boss, flag, False)
    boss.save()
    assert client.wait_for(f"unsubscribed {lost}") == 2000
    assert_still_in(client, "$users")
    assert_still_in(client, kept)
    client.happened.clear()
    client.join(lost, saved)  # the server remembers nothing
    Revocation.objects.update(next_at=timezone.now())
    assert repeating.repeat_due()
    assert client.wait_for(f"unsubscribed {lost}") == 2000


@pytest.mark.parametrize("level", ["users", "superuser"])
def test_a_row_of_the_same_name_throws_nobody_out(boss: User, joined: Joined, level: str) -> None:  # noqa: F811
    """Those whom the settings let in stay, whatever becomes of the row."""
    bob = User.objects.create_user("bob")
    client = joined(bob, "$users")
    row = Channel.objects.create(name="users", level=level)
    row.level = "staff"
    row.save()
    row.is_active = False
    row.save()
    row.delete()
    assert Revocation.objects.filter(channel="$users").count() == 1
    Revocation.objects.update(next_at=timezone.now())
    repeating.repeat_due()
    assert_still_in(client, "$users")


def test_a_row_that_would_open_it_lets_nobody_stay(boss: User, joined: Joined, settings: Settings) -> None:  # noqa: F811
    bob = User.objects.create_user("bob")
    Channel.objects.create(name="talk", level="users")
    out, stays = joined(bob, "$talk"), joined(boss, "$talk")
    settings.INSTANT_STAFF_CHANNELS = [["$talk"]]
    recheck(channels=["$talk"])
    assert out.wait_for("unsubscribed $talk") == 2000
    assert_still_in(stays, "$talk")


def test_what_settings_no_longer_declare_is_left_when_asked_for(
    boss: User,
    joined: Joined,  # noqa: F811
    settings: Settings,
) -> None:
    client = joined(boss, "$desk", "$users")
    settings.INSTANT_STAFF_CHANNELS = []
    recheck(channels=["$desk", "$users"])
    assert client.wait_for("unsubscribed $desk") == 2000
    assert_still_in(client, "$users")
