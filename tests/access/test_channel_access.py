"""Who may join what, from both sides, and the credentials for it."""

from __future__ import annotations

import itertools
import logging
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from instant import user_channel
from instant.access import channel_access, client_credentials
from instant.access.channel_access import Access, channels_for, may_connect, may_join, members
from instant.access.client_credentials import credentials
from instant.conf import conf
from instant.models import Channel
from tests.access.asking import audience_of
from tests.test_models_for_user import PlainUser

pytestmark = pytest.mark.django_db

ALLOW_ANONYMOUS = override_settings(INSTANT_ALLOW_ANONYMOUS=True)


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="pw")


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, conf.hmac_key, algorithms=["HS256"])


# Who may connect, and join


def test_who_may_connect(alice: User) -> None:
    inactive = User.objects.create_user("gone", is_active=False)
    assert may_connect(alice)
    assert not may_connect(inactive)
    assert not may_connect(AnonymousUser())
    with ALLOW_ANONYMOUS:
        assert may_connect(alice)
        assert not may_connect(inactive)
        assert may_connect(AnonymousUser())


def test_channels_of_a_user_each_once_by_name(alice: User) -> None:
    groups = [Group.objects.create(name=name) for name in "ab"]
    alice.groups.set(groups)
    Channel.objects.create(name="z", level="public").groups.set(groups)
    Channel.objects.create(name="g", level="groups").groups.set(groups)
    Channel.objects.create(name="s", level="staff").groups.set(groups)
    wanted = [Access("$g", "groups"), Access(user_channel(alice), "user"), Access("z", "public")]
    with CaptureQueriesContext(connection) as queries:
        assert channels_for(alice) == wanted
    assert len(queries) == 1
    assert channels_for(alice, "/some/page/") == wanted


def test_who_may_not_connect_has_no_channels() -> None:
    Channel.objects.create(name="news", level="public")
    inactive = User.objects.create_superuser("gone", is_active=False)
    for user in (AnonymousUser(), inactive):
        assert channels_for(user) == []
        assert not may_join(user, "news")
    with ALLOW_ANONYMOUS:
        assert channels_for(AnonymousUser()) == [Access("news", "public")]
        assert channels_for(inactive) == []


def test_may_join_takes_the_name_as_it_is(alice: User) -> None:
    Channel.objects.create(name="users", level="users")
    assert may_join(alice, "$users")
    for name in ("users", "$USERS", "$users ", "", "$"):
        assert not may_join(alice, name)


def test_a_row_of_an_unknown_namespace_does_not_spoil_the_others(
    alice: User, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel_access, "_warned", set())  # each row is logged once in a process
    with override_settings(INSTANT_NAMESPACES={"gone": {}}):
        Channel.objects.create(name="gone:chan", level="users")
    Channel.objects.create(name="here", level="users")
    with caplog.at_level(logging.WARNING, "instant"):
        assert [found["name"] for found in credentials(alice)["channels"]] == ["$here", user_channel(alice)]
    assert "'$gone:chan'" in caplog.text
    assert not may_join(alice, "$gone:chan")
    with override_settings(INSTANT_NAMESPACES={"gone": {}}):
        assert may_join(alice, "$gone:chan")


# From the channel's side


def everybody(groups: list[Group]) -> list[User]:
    """A user of each kind: of active, staff, superuser, and groups."""
    users = []
    kinds = itertools.product([True, False], [True, False], [True, False], [[], groups[:1], groups])
    for number, (is_active, is_staff, is_superuser, in_groups) in enumerate(kinds):
        flags = {"is_active": is_active, "is_staff": is_staff, "is_superuser": is_superuser}
        user = User.objects.create(username=f"user{number}", **flags)
        user.groups.set(in_groups)
        users.append(user)
    return users


def test_members_are_those_for_whom_for_user_finds_the_channel() -> None:
    groups = [Group.objects.create(name=name) for name in "abc"]
    users = everybody(groups[:2])
    kinds = itertools.product(Channel.Level.values, [[], groups[:1], groups, groups[2:]])
    for number, (level, in_groups) in enumerate(kinds):
        channel = Channel.objects.create(name=f"chan{number}", level=level)
        channel.groups.set(in_groups)
        may = [user for user in users if may_join(user, channel.name)]
        assert list(members(channel).order_by("pk")) == may
        assert audience_of(channel.name) == {str(user.pk) for user in may}


def test_the_audience_of_public_channels_has_visitors_where_they_may_come(alice: User) -> None:
    public = Channel.objects.create(name="news", level="public")
    users = Channel.objects.create(name="users", level="users")
    assert audience_of(public.name) == {str(alice.pk)}
    with ALLOW_ANONYMOUS:
        assert audience_of(public.name) == {str(alice.pk), ""}
        assert audience_of(users.name) == {str(alice.pk)}
    with override_settings(INSTANT_USER_ID="username"):
        assert audience_of(users.name) == {"alice"}


def test_members_of_a_user_model_without_flags_and_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_access, "get_user_model", lambda: PlainUser)
    empty = {level: members(Channel(pk=1, level=level)).query.is_empty() for level in Channel.Level.values}
    assert empty == {"public": False, "users": False, "groups": True, "staff": True, "superuser": True}


# Credentials


def test_credentials_are_the_json_of_the_endpoints(alice: User) -> None:
    Channel.objects.create(name="users", level="users")
    Channel.objects.create(name="news", level="public")
    answer = credentials(alice)
    assert set(answer) == {"ws_token", "websocket_url", "channels", "refused"}
    assert claims(answer["ws_token"])["sub"] == str(alice.pk)
    assert [(found["name"], found["level"]) for found in answer["channels"]] == [
        (user_channel(alice), "user"),
        ("$users", "users"),
        ("news", "public"),
    ]
    for found in answer["channels"]:
        assert set(found) == {"name", "level", "token"}
        assert claims(found["token"])["channel"] == found["name"]
        assert claims(found["token"])["sub"] == str(alice.pk)
    assert answer["refused"] == []


def test_credentials_for_named_channels_only(alice: User) -> None:
    for name in ("a", "b", "c"):
        Channel.objects.create(name=name, level="users")
    Channel.objects.create(name="secret", level="staff")
    answer = credentials(alice, ["$c", "$secret", "$a", "nowhere", "$c", "\0", "$gone:x", "\ud800"])
    assert [found["name"] for found in answer["channels"]] == ["$c", "$a"]
    assert [found["name"] for found in answer["refused"]] == ["$secret", "nowhere", "\0", "$gone:x", "\ud800"]
    reasons = {found["reason"] for found in answer["refused"]}
    assert len(reasons) == 1  # of a name that is there, and of one that is not, the same is said
    assert credentials(alice, [])["channels"] == []


def test_credentials_are_refused_to_who_may_not_connect() -> None:
    for user in (AnonymousUser(), User.objects.create_user("gone", is_active=False)):
        with pytest.raises(PermissionDenied):
            credentials(user)


@ALLOW_ANONYMOUS
def test_credentials_of_visitors() -> None:
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="users", level="users")
    answer = credentials(AnonymousUser())
    assert claims(answer["ws_token"])["sub"] == ""
    (found,) = answer["channels"]
    assert (found["name"], claims(found["token"])["sub"]) == ("news", "")


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({}, "ws://localhost:8427"),
        ({"CENTRIFUGO_HOST": "https://rt.example.org", "CENTRIFUGO_PORT": None}, "wss://rt.example.org"),
        ({"CENTRIFUGO_HOST": "http://http.example.org", "CENTRIFUGO_PORT": 80}, "ws://http.example.org:80"),
        ({"INSTANT_WEBSOCKET_URL": "wss://ws.example.org"}, "wss://ws.example.org"),
    ],
)
def test_the_websocket_url_without_a_request(alice: User, settings: dict[str, Any], url: str) -> None:
    with override_settings(**settings):
        assert credentials(alice)["websocket_url"] == url
    assert credentials(alice, websocket_url="ws://mine")["websocket_url"] == "ws://mine"


def test_one_name_is_no_list_of_names() -> None:
    with pytest.raises(TypeError, match="'news'"):
        client_credentials.credentials(User.objects.create_user("someone"), "news")


def test_a_name_that_cannot_be_joined_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    user = User.objects.create_user("someone")
    Channel._base_manager.bulk_create([Channel(name="$gone-for-good:x", level="users")])
    for _ in range(3):
        assert channel_access.channels_for(user) == [Access(user_channel(user), "user")]
    assert caplog.text.count("a channel of the admin is ignored") == 1
