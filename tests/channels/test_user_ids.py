"""The channel that each user has, and messages to users."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.exceptions import ValidationError
from django.test import Client, RequestFactory
from pytest_django import Settings

from instant import publish, publish_to_users, user_channel
from instant.access.channel_access import Access, channels_for, may_join
from instant.access.client_credentials import credentials
from instant.access.tokens import channel_token, connection_token
from instant.channels.names import personal_channel
from instant.channels.namespaces import check_name, check_own_name
from instant.channels.user_ids import user_of
from instant.exceptions import InvalidChannel, InvalidSetting
from instant.models import Channel
from instant.testing import LiveServer, Published
from tests.clients import SyncClient

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="pw")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob@example.org", password="pw")


def test_the_name_is_the_users_id(alice: User, bob: User, settings: Settings) -> None:
    assert user_channel(alice) == f"$user.{alice.pk}"
    settings.INSTANT_USER_ID = "username"
    assert user_channel(alice) == f"$user.{alice.pk}"
    assert personal_channel("a@b") == f"$user.~{hashlib.sha256(b'a@b').hexdigest()}"
    with pytest.raises(InvalidChannel, match="visitors"):
        user_channel(AnonymousUser())


@pytest.mark.parametrize(
    "user", ["1", "a_B-9", "größe", "a b", "~x", "x:y", "$", "x" * 200, "x" * 201, "a\n", "é" * 300]
)
def test_each_id_has_a_name_of_its_own_that_is_good(user: str) -> None:
    name = personal_channel(user)
    assert check_name(name) == name
    assert name.startswith("$user.")
    assert personal_channel(f"{user}x") != name
    assert ("~" in name) is (
        not (user.isascii() and user.replace("-", "").replace("_", "").isalnum()) or len(user) > 200
    )


def test_it_comes_with_the_rest_on_each_page(alice: User) -> None:
    own = Access(user_channel(alice), "user")
    assert channels_for(alice) == channels_for(alice, "/any/") == [own]
    assert may_join(alice, own.name)
    assert [found["name"] for found in credentials(alice, [own.name])["channels"]] == [own.name]


def test_it_is_no_one_elses(alice: User, bob: User, settings: Settings, client: Client) -> None:
    name = user_channel(alice)
    User.objects.filter(pk=bob.pk).update(is_superuser=True, is_staff=True)
    bob.refresh_from_db()
    assert not may_join(bob, name)
    client.force_login(bob)
    assert client.post("/instant/subscribe/", {"channel": name}, content_type="application/json").status_code == 403
    settings.INSTANT_ALLOW_ANONYMOUS = True
    assert channels_for(AnonymousUser()) == []
    assert not may_join(AnonymousUser(), name)
    assert not may_join(AnonymousUser(), "$user.")
    alice.is_active = False
    assert not may_join(alice, name)


@pytest.mark.parametrize("name", ["$user.5", "user.5", "$user.~ab"])
def test_no_row_and_no_setting_may_have_such_a_name(alice: User, settings: Settings, name: str) -> None:
    with pytest.raises(InvalidChannel, match="reserved for personal channels"):
        Channel.objects.create(name=name, level="users")
    with pytest.raises(ValidationError, match="reserved for personal channels"):
        Channel(name=name, level="users").full_clean()
    settings.INSTANT_USERS_CHANNELS = [["$user.5"]]
    with pytest.raises(InvalidSetting, match="reserved for personal channels"):
        channels_for(alice)
    with pytest.raises(InvalidChannel):
        check_own_name("$user.5")


def test_a_row_of_before_opens_nobodys_channel(alice: User, bob: User) -> None:
    Channel._base_manager.bulk_create([Channel(name=user_channel(alice), level="users")])
    assert not may_join(bob, user_channel(alice))
    assert may_join(alice, user_channel(alice))


def test_public_names_that_look_alike_are_ordinary(alice: User) -> None:
    Channel.objects.create(name="user.5", level="public")
    assert may_join(alice, "user.5")


# Messages to users


def test_one_message_for_users_and_pks(alice: User, bob: User, published: Published) -> None:
    publish_to_users([alice, bob.pk, alice, str(bob.pk)], "Hello", data={"n": 1}, event_class="info")
    assert [item.channel for item in published] == [user_channel(alice), user_channel(bob)]
    assert {(item.uid, item.message, item.event_class) for item in published} == {(published[0].uid, "Hello", "info")}


def test_a_queryset_and_visitors(alice: User, bob: User, published: Published) -> None:
    publish_to_users(User.objects.order_by("pk"), data=1)
    publish_to_users([AnonymousUser(), alice], data=2)
    assert [(item.channel, item.data) for item in published] == [
        (user_channel(alice), 1),
        (user_channel(bob), 1),
        (user_channel(alice), 2),
    ]


@pytest.mark.parametrize("nobody", [[], (), AnonymousUser, User.objects.none])
def test_nobody_is_nothing(nobody: Any, published: Published) -> None:
    assert publish_to_users([nobody()] if nobody is AnonymousUser else nobody() if callable(nobody) else nobody) is None
    assert len(published) == 0


def test_pks_where_usernames_name_users(alice: User, bob: User, published: Published, settings: Settings) -> None:
    settings.INSTANT_USER_ID = "username"
    publish_to_users([alice.pk, bob], "Hello")
    assert [item.channel for item in published] == [user_channel(alice), user_channel(bob)]


@pytest.mark.parametrize(
    ("users", "text"),
    [
        ("alice", "users must be a list or a queryset, not 'alice'"),
        ([None], "users must contain users or their primary keys, not None"),
        (Group.objects.all(), "users must be a queryset of users, not of Group"),
        ([Group(pk=1, name="g")], "users must contain users or their primary keys, not <Group: g>"),
    ],
    ids=["name", "none", "queryset", "group"],
)
def test_what_is_no_list_of_users(users: Any, text: str) -> None:
    with pytest.raises(TypeError) as raised:
        publish_to_users(users, "Hello")
    assert str(raised.value) == text


def test_a_request_without_a_user_is_a_visitors(rf: RequestFactory) -> None:
    request = rf.get("/")
    assert isinstance(user_of(request), AnonymousUser)
    assert isinstance(request.user, AnonymousUser)
    request.user = User(username="ann")
    assert user_of(request) is request.user


def test_it_waits_for_the_commit(alice: User, published: Published) -> None:
    publish_to_users([alice], "Hello", on_commit=True)
    published.assert_published(user_channel(alice), message="Hello")


def test_on_a_server(server: LiveServer, alice: User, bob: User) -> None:
    with SyncClient(server.websocket_url, connection_token(alice)) as client:
        for found in credentials(alice)["channels"]:
            client.join(found["name"], found["token"])
        publish(user_channel(bob), "not for alice")
        publish_to_users([bob, alice], "for both")
        publish(user_channel(alice), "for alice")
        client.wait(lambda: client.texts() == ["for both", "for alice"])
    with SyncClient(server.websocket_url, connection_token(bob)) as client:
        with pytest.raises(AssertionError, match="103"):
            client.join(user_channel(alice))
    with SyncClient(server.websocket_url, connection_token(bob)) as client:
        with pytest.raises(AssertionError, match="'disconnected', 3500"):
            client.join(user_channel(alice), channel_token(user_channel(alice), alice))
