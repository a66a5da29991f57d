"""Who is there, on both servers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, User
from pytest_django import Settings

from instant import Person, apresence, online, presence, user_channel
from instant.access.client_credentials import credentials
from instant.access.tokens import channel_token, connection_token
from instant.channels import rules
from instant.exceptions import InvalidChannel, PresenceUnavailable, ServerError
from instant.testing import LiveServer
from tests.clients import SyncClient
from tests.rules import no_rules_left  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db


@pytest.fixture
def namespaces() -> dict[str, Any]:
    rules.add("$room:<int:pk>", lambda user, pk: {"info": {"name": user.username}} if user.is_authenticated else True)
    rules.add("$quiet:<int:pk>", lambda user, pk: {"presence": user.username == "bob"})
    rules.add(
        "$numbered:<int:pk>", lambda user, pk: {"info": {"key": 2**60, "keys": [-(2**60), 2**53], "n": 2**53 - 1}}
    )
    rules.add("$bare:<int:pk>", lambda user, pk: {"presence": True})
    return {
        "": {"presence": True},
        "quiet": {"presence": True},
        "room": {"presence": True},
        "numbered": {"presence": True, "allow_presence_for_subscriber": True},
        "bare": {"presence": False},
    }


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob")


@pytest.fixture
def clients() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def join(clients: ExitStack, server: LiveServer, user: User | AnonymousUser, *names: str) -> SyncClient:
    client = clients.enter_context(SyncClient(server.websocket_url, connection_token(user)))
    for found in credentials(user, names)["channels"]:
        client.join(found["name"], found["token"])
    return client


def test_a_person_with_three_tabs_is_one(server: LiveServer, alice: User, bob: User, clients: ExitStack) -> None:
    assert presence("$room:1") == []
    for user in (alice, alice, bob, alice):
        join(clients, server, user, "$room:1")
    expected = [Person(str(alice.pk), {"name": "alice"}, 3), Person(str(bob.pk), {"name": "bob"}, 1)]
    assert presence("$room:1") == sorted(expected, key=lambda person: person.user)  # the ids are text
    assert presence("$room:2") == []


def test_visitors_are_one_each(server: LiveServer, clients: ExitStack, settings: Settings) -> None:
    settings.INSTANT_ALLOW_ANONYMOUS = True
    for _ in range(2):
        join(clients, server, AnonymousUser(), "$room:1")
    assert presence("$room:1") == [Person("", None, 1), Person("", None, 1)]


def test_an_integer_that_a_browser_would_round_is_text(server: LiveServer, clients: ExitStack) -> None:
    user = User.objects.create_user("ann", pk=2**60)
    other = join(clients, server, user, "$numbered:1", user_channel(user))
    info = {"key": str(2**60), "keys": [str(-(2**60)), str(2**53)], "n": 2**53 - 1}
    assert presence("$numbered:1") == [Person(str(2**60), info, 1)]
    assert online([user]) == [user]
    found = other.run(other.client.get_subscription("$numbered:1").presence())  # what other pages receive
    assert [(each.user, each.chan_info) for each in found.clients.values()] == [(str(2**60), info)]


def test_a_rule_hides_somebody(server: LiveServer, alice: User, bob: User, clients: ExitStack) -> None:
    for user in (alice, bob):
        join(clients, server, user, "$quiet:1", "$bare:1")
    assert presence("$quiet:1") == [Person(str(bob.pk), None, 1)]
    with pytest.raises(PresenceUnavailable):  # the namespace decides whether anybody can ask
        presence("$bare:1")


async def test_on_an_event_loop(server: LiveServer) -> None:
    user = User(pk=5, username="ann")
    with SyncClient(server.websocket_url, connection_token(user)) as client:
        client.join("$room:1", channel_token("$room:1", user))
        assert await apresence("$room:1") == [Person("5", None, 1)]
    with pytest.raises(PresenceUnavailable, match=r'"bare": \{"presence": True\}'):
        await apresence("bare:x")


def test_where_no_presence_is_kept_the_error_says_which_option(server: LiveServer) -> None:
    with pytest.raises(
        PresenceUnavailable, match=r'namespace \'bare\' .*INSTANT_NAMESPACES = \{"bare": \{"presence": True\}\}'
    ) as caught:
        presence("$bare:x")
    assert isinstance(caught.value, ServerError)
    assert caught.value.code == 108
    assert not caught.value.retryable


def test_other_errors_are_the_servers() -> None:
    with pytest.raises(InvalidChannel):
        presence("$nowhere:x")
    with pytest.raises(ServerError, match="no connection") as caught:
        presence("$room", timeout=0.1)
    assert type(caught.value) is ServerError
    assert online([]) == []


def test_who_is_online(server: LiveServer, alice: User, bob: User, clients: ExitStack) -> None:
    gone = User.objects.create_user("gone")
    join(clients, server, alice, user_channel(alice))
    join(clients, server, bob)  # connected, but of no page of ours
    assert online([alice, bob, gone, alice]) == [alice, alice]
    assert online(User.objects.order_by("pk")) == [alice]
    assert online([gone.pk, alice.pk, 10**9]) == [alice.pk]
    assert online([]) == online([AnonymousUser()]) == []


def test_who_is_online_among_many(server: LiveServer, alice: User, clients: ExitStack) -> None:
    join(clients, server, alice, user_channel(alice))
    assert online(range(alice.pk, alice.pk + 2500)) == [alice.pk]


class TestWithoutPresence:
    @pytest.fixture
    def namespaces(self) -> dict[str, Any]:
        return {"": {"presence": False}}

    def test_online_needs_it_where_personal_channels_are(self, server: LiveServer) -> None:
        with pytest.raises(PresenceUnavailable, match=r'without a namespace .*INSTANT_NAMESPACES = \{"": \{"presence"'):
            online([1, 2])
