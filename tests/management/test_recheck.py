"""`manage.py recheck`: access ends after changes that sent no signals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from instant import publish
from instant.access.tokens import channel_token, connection_token
from instant.models import Channel, Revocation
from instant.revocation import enforcement
from instant.testing import LiveServer
from tests.clients import SyncClient

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people() -> list[User]:
    return [User.objects.create_user(name, is_staff=True) for name in ("ann", "bob", "cid")]


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """The users and channels that are looked at, without a server."""
    found: list[tuple[str, str]] = []

    def apply(rows: list[Revocation], **_: object) -> bool:
        found.extend((row.user, row.channel) for row in rows)
        return True

    monkeypatch.setattr(enforcement, "apply", apply)
    return found


def test_all_users(people: list[User], looked: list[tuple[str, str]]) -> None:
    call_command("recheck")
    assert sorted(looked) == sorted((str(user.pk), "") for user in people)
    assert Revocation.objects.count() == 3


def test_some_users(people: list[User], looked: list[tuple[str, str]]) -> None:
    call_command("recheck", "--users", "ann", "cid")
    assert sorted(looked) == sorted((str(user.pk), "") for user in (people[0], people[2]))


def test_channels_only(people: list[User], looked: list[tuple[str, str]]) -> None:
    call_command("recheck", "--channels", "$staff", "$post:1")
    assert sorted(looked) == [("", "$post:1"), ("", "$staff")]


def test_users_and_channels(people: list[User], looked: list[tuple[str, str]]) -> None:
    call_command("recheck", "--users", "bob", "--channels", "$staff")
    assert sorted(looked) == [("", "$staff"), (str(people[1].pk), "")]


def test_an_unknown_user_is_an_error_and_nothing_is_done(people: list[User], looked: list[tuple[str, str]]) -> None:
    with pytest.raises(CommandError, match="no such users: dan, eve"):
        call_command("recheck", "--users", "ann", "eve", "dan")
    assert looked == []
    assert not Revocation.objects.exists()


def test_no_users_at_all(looked: list[tuple[str, str]]) -> None:
    call_command("recheck")
    assert looked == []


@pytest.fixture
def joined(server: LiveServer, people: list[User]) -> Iterator[list[SyncClient]]:
    """Clients of ann and bob, in $staff and $users."""
    Channel.objects.create(name="staff", level="staff"), Channel.objects.create(name="users", level="users")
    clients = []
    for user in people[:2]:
        client = SyncClient(server.websocket_url, connection_token(user)).__enter__()
        clients.append(client)
        for name in ("$staff", "$users"):
            client.join(name, channel_token(name, user))
    yield clients
    for client in clients:
        client.__exit__(None, None, None)


@pytest.mark.parametrize("options", [[], ["--users", "ann"], ["--channels", "$staff"]], ids=["all", "user", "channel"])
def test_a_flag_taken_by_a_queryset(joined: list[SyncClient], options: list[str]) -> None:
    ann, bob = joined
    User.objects.filter(username="ann").update(is_staff=False)
    assert ("unsubscribed $staff", 2000) not in ann.happened
    call_command("recheck", *options)
    assert ann.wait_for("unsubscribed $staff") == 2000
    publish("$staff", "to the staff"), publish("$users", "to everybody")
    ann.wait(lambda: "to everybody" in ann.texts(), "for the message to everybody")
    bob.wait(lambda: {"to everybody", "to the staff"} <= set(bob.texts()), "for both messages")
    assert "to the staff" not in ann.texts()
