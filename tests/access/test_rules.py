"""What rules let join: asked by access, the endpoints, testing.can(), and both servers."""

from __future__ import annotations

import datetime
from typing import Any

import jwt
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, Group, Permission, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from instant import publish, rule
from instant.access import channel_access
from instant.access.bulk_channel_access import read_users, refused
from instant.access.channel_access import Access, allowed, channels_for, may_join
from instant.access.client_credentials import credentials
from instant.access.tokens import channel_token, connection_token
from instant.channels import rules
from instant.conf import conf
from instant.models import Channel
from instant.revocation import enforcement, recheck
from instant.testing import LiveServer, acan, can
from tests.clients import SyncClient
from tests.rules import no_rules_left  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db

NAME = "$post:1"


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="pw")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob", password="pw")


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(token, conf.hmac_key, algorithms=["HS256"])
    return found


def answering(answer: Any, pattern: str = "$post:<int:pk>") -> list[tuple[Any, dict[str, Any]]]:
    """A rule that always says this; returns the list of what it was asked."""
    asked: list[tuple[Any, dict[str, Any]]] = []

    def own_rule(user: Any, **parts: Any) -> Any:
        asked.append((user, parts))
        return answer() if callable(answer) else answer

    rules.add(pattern, own_rule)
    return asked


@pytest.mark.parametrize(
    ("answer", "may"),
    [
        (True, True),
        (False, False),
        (None, False),
        *((each, True) for each in ({}, 1, "yes", [0])),
        *((each, False) for each in (0, 0.0, "", [], (), set())),
    ],
)
def test_what_an_answer_means(alice: User, answer: Any, may: bool) -> None:
    asked = answering(answer)
    assert may_join(alice, NAME) is may
    assert asked == [(alice, {"pk": 1})]
    assert can(alice, NAME) is may
    assert not may_join(alice, "$post:x")
    assert len(asked) == 2


def test_the_level_and_the_order_of_what_was_asked(alice: User) -> None:
    answering(True)
    Channel.objects.create(name="users", level="users")
    wanted = ["$post:2", "$users", "$post:1"]
    assert list(allowed(alice, [*wanted, "$nothing", "$post:1"]).values()) == [
        Access("$post:2", "rule"),
        Access("$users", "users"),
        Access("$post:1", "rule"),
    ]
    assert [found.name for found in channels_for(alice)] == [f"$user.{alice.pk}", "$users"]  # no rule can be listed


def test_rules_are_asked_once_for_each_name(alice: User) -> None:
    asked = answering(True)
    answer = credentials(alice, ["$post:1", "$post:2", "$post:1", "$post:x"])
    assert [found["name"] for found in answer["channels"]] == ["$post:1", "$post:2"]
    assert [found["name"] for found in answer["refused"]] == ["$post:x"]
    assert [parts for _, parts in asked] == [{"pk": 1}, {"pk": 2}]


def test_a_deleted_or_inactive_user_is_in_no_channel_of_a_rule(alice: User, bob: User) -> None:
    """Who is there is checked without asking the rule, which could know nothing of them."""
    asked = answering(True)
    carol = User.objects.create_user("carol")
    subs = {str(user.pk) for user in (alice, bob, carol)}
    alice.delete()
    User.objects.filter(pk=bob.pk).update(is_active=False)
    no, later = refused([(sub, NAME) for sub in sorted(subs)], read_users(subs), len(subs))
    assert {sub for sub, _ in no} == subs - {str(carol.pk)}
    assert later == []
    assert [user for user, _ in asked] == [carol]


def test_rules_are_asked_only_about_who_may_connect(alice: User, settings: Settings) -> None:
    asked = answering(True)
    assert not may_join(AnonymousUser(), NAME)
    alice.is_active = False
    assert not may_join(alice, NAME)
    assert asked == []
    settings.INSTANT_ALLOW_ANONYMOUS = True
    assert may_join(AnonymousUser(), NAME)
    assert not may_join(alice, NAME)
    assert [user for user, _ in asked] == [AnonymousUser()]


def test_rows_and_settings_decide_alone(alice: User, settings: Settings) -> None:
    asked = answering(True)
    Channel.objects.create(name="$post:1", level="staff")
    Channel.objects.create(name="$post:2", level="users")
    Channel.objects.create(name="$post:3", level="users", is_active=False)
    settings.INSTANT_STAFF_CHANNELS = [["$post:4"]]
    settings.INSTANT_USERS_CHANNELS = [["$post:5"]]
    assert list(allowed(alice, [f"$post:{number}" for number in range(7)])) == [
        "$post:0",
        "$post:2",
        "$post:5",
        "$post:6",
    ]
    assert [parts["pk"] for _, parts in asked] == [0, 6]


def test_many_names_are_few_queries(alice: User) -> None:
    answering(True)
    with CaptureQueriesContext(connection) as queries:
        assert len(allowed(alice, [f"$post:{number}" for number in range(1200)])) == 1200
    assert len(queries) == 4
    with CaptureQueriesContext(connection) as queries:
        assert not allowed(alice, ["$other"])
    assert len(queries) == 1


# What a dict adds


def test_info_and_overrides_are_in_the_token(alice: User) -> None:
    since = datetime.date(2026, 11, 21)
    answering({"info": {"name": "Alice", "since": since}, "presence": True, "force_recovery": False})
    (found,) = credentials(alice, [NAME])["channels"]
    told = claims(found["token"])
    assert found["level"] == "rule"
    assert told["sub"] == str(alice.pk)
    assert told["channel"] == NAME
    assert told["info"] == {"name": "Alice", "since": "2026-11-21"}
    assert told["override"] == {"presence": {"value": True}, "force_recovery": {"value": False}}


@pytest.mark.parametrize("answer", [True, {}, {"info": None}])
def test_without_any_the_token_is_plain(alice: User, answer: Any) -> None:
    answering(answer)
    (found,) = credentials(alice, [NAME])["channels"]
    assert set(claims(found["token"])) == {"sub", "exp", "iat", "channel", "expire_at"}


_KEYS = (
    "the dict of a rule may contain info and presence, join_leave, force_push_join_leave, force_recovery, "
    "force_positioning"
)


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ({"colour": "red", "age": 5}, f"TypeError: {_KEYS}, not age, colour\n"),
        ({"sub": "1", "info": 1}, f"TypeError: {_KEYS}, not sub\n"),
        ({1: 2}, "not 1"),
        ({"presence": 1}, "TypeError: presence must be True or False, not 1\n"),
        ({"presence": {"value": True}}, "True or False"),
        ({"info": object()}, "TypeError: info cannot be encoded as JSON: "),
        ({"info": float("nan")}, "JSON"),
    ],
)
def test_a_wrong_dict_is_a_no_and_is_logged(
    alice: User, answer: Any, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    answering(answer)
    assert not may_join(alice, NAME)
    assert text in caplog.text
    assert "'$post:<int:pk>'" in caplog.text
    assert "own_rule" in caplog.text


# What goes wrong


def test_a_rule_that_raises_is_a_no_and_is_logged(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    answering(lambda: 1 // 0)
    answering(True, "$other:<int:pk>")
    answer = credentials(alice, [NAME, "$other:1"])
    assert [found["name"] for found in answer["channels"]] == ["$other:1"]
    assert [found["name"] for found in answer["refused"]] == [NAME]
    assert "ZeroDivisionError" in caplog.text
    assert "access to '$post:1' is denied" in caplog.text
    assert "own_rule" in caplog.text


def test_rules_that_were_not_called_in_time_are_named(alice: User) -> None:
    rules.add("$post:<int:pk>", lambda user, pk: True)
    names = ["$post:2", "$post:1"]
    offers = channel_access.offers_to(alice)
    assert channel_access.allowed_in_time(offers, alice, names, seconds=-1) == ({}, names)
    found, late = channel_access.allowed_in_time(offers, alice, names, seconds=60)
    assert (list(found), late) == (names, [])


def test_a_function_with_other_arguments_is_a_no(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    rules.add("$post:<int:pk>", lambda user: True)
    assert not may_join(alice, NAME)
    assert "TypeError" in caplog.text


def test_two_rules_are_a_no(alice: User, caplog: pytest.LogCaptureFixture) -> None:
    first, second = answering(True), answering(True, "$post:<slug:name>")
    assert not may_join(alice, NAME)
    assert first == second == []
    assert "matches: the rule '$post:<int:pk>'" in caplog.text
    assert "and the rule '$post:<slug:name>'" in caplog.text


@pytest.mark.parametrize("name", ["$user.5", "$user.~aa", "$größe", "$unknown:5", "$$x", "", "$" + "x" * 300])
def test_a_pattern_for_everything_lets_nobody_into_names_that_are_none(alice: User, name: str) -> None:
    asked = answering(True, "<path:everything>")
    assert may_join(alice, "$anything")
    assert not may_join(alice, name)
    assert len(asked) == 1


# Async


@pytest.mark.django_db(transaction=True)  # of another thread than what ends a test's own transaction
async def test_async_rules_in_async_tests() -> None:
    alice, bob = [await User.objects.acreate(username=name) for name in ("alice", "bob")]

    @rule("$post:<int:pk>")
    async def authors(user: User, pk: int) -> bool:
        return await User.objects.filter(username="alice", pk=user.pk).aexists()

    assert await acan(alice, NAME) is True
    assert await acan(bob, NAME) is False
    answer = await sync_to_async(credentials)(alice, [NAME])
    assert answer["refused"] == []


def test_async_rules_from_sync_doors(alice: User, bob: User, client: Client) -> None:
    @rule("$post:<int:pk>")
    async def authors(user: User, pk: int) -> dict[str, Any] | None:
        if pk == 3:
            raise ValueError(pk)
        return {"info": pk} if user.username == "alice" else None

    assert can(alice, NAME)
    assert not can(bob, NAME)
    assert not can(alice, "$post:3")
    client.force_login(alice)
    answer = client.post("/instant/subscribe/", {"channels": [NAME, "$post:3"]}, content_type="application/json")
    assert [claims(found["token"])["info"] for found in answer.json()["channels"]] == [1]


# The endpoints


def test_the_endpoints(alice: User, client: Client) -> None:
    answering(lambda: True)
    client.force_login(alice)
    for content, path in (({"channel": NAME}, "subscribe"), ({"channels": [NAME]}, "get_token")):
        answer = client.post(f"/instant/{path}/", content, content_type="application/json")
        assert answer.status_code == 200
        (found,) = answer.json()["channels"]
        assert (found["name"], found["level"]) == (NAME, "rule")
    answer = client.post("/instant/subscribe/", {"channel": "$post:x"}, content_type="application/json")
    assert answer.status_code == 403
    assert [found["name"] for found in client.get("/instant/get_token/").json()["channels"]] == [f"$user.{alice.pk}"]
    client.logout()
    answer = client.post("/instant/subscribe/", {"channel": NAME}, content_type="application/json")
    assert answer.status_code == 403


# The servers


@pytest.fixture
def namespaces() -> dict[str, Any]:
    def own_posts(user: Any, pk: int) -> bool:
        return bool(user.pk == pk)

    rules.add("$post:<int:pk>", own_posts)
    rules.add("public:<int:pk>", own_posts)
    rules.add("$bare-<int:pk>", own_posts)
    return {}


@pytest.mark.parametrize("pattern", ["$post:%d", "public:%d", "$bare-%d"])
def test_the_wrong_user_is_refused_in_both_ways(server: LiveServer, alice: User, bob: User, pattern: str) -> None:
    name = pattern % alice.pk
    assert credentials(bob, [name])["channels"] == []
    (given,) = credentials(alice, [name])["channels"]
    with SyncClient(server.websocket_url, connection_token(bob)) as client:
        with pytest.raises(AssertionError, match=r"103"):
            client.join(name)
    with SyncClient(server.websocket_url, connection_token(bob)) as client:
        with pytest.raises(AssertionError, match=r"'disconnected', 3500"):
            client.join(name, given["token"])
    with SyncClient(server.websocket_url, connection_token(alice)) as client:
        with pytest.raises(AssertionError, match=r"'disconnected', 3500"):  # nor with one of another channel
            client.join(name, channel_token("$other", alice))
    with SyncClient(server.websocket_url, connection_token(alice)) as client:
        client.join(name, given["token"])
        publish(name, "to readers")
        client.wait(lambda: client.texts() == ["to readers"])


def test_an_unknown_namespace_says_what_to_do(server: LiveServer) -> None:
    rules.add("$late:<int:pk>", lambda user, pk: True)
    with pytest.raises(Exception, match=r"102 unknown channel.*start `manage.py runws` again"):
        publish("$late:1", "too early")


# The end of access


@pytest.mark.django_db(transaction=True)
class TestTheEnd:
    """On user changes the rules are asked again, about the channels that somebody is in."""

    @pytest.fixture
    def namespaces(self) -> dict[str, Any]:
        def staff_only(user: Any, pk: int) -> bool:
            return bool(user.is_staff) or pk > 5

        rules.add("$post:<int:pk>", staff_only)
        rules.add("$seen:<int:pk>", staff_only)
        rules.add("$exact", lambda user: user.is_staff)
        return {"seen": {"presence": True}}

    def join(self, server: LiveServer, user: User, *names: str) -> SyncClient:
        client = SyncClient(server.websocket_url, connection_token(user)).__enter__()
        for found in credentials(user, names)["channels"]:
            client.join(found["name"], found["token"])
        return client

    def test_who_loses_a_flag_is_out_of_what_rules_deny_then(self, server: LiveServer, alice: User, bob: User) -> None:
        User.objects.update(is_staff=True)
        alice.refresh_from_db(), bob.refresh_from_db()
        client = self.join(server, alice, "$post:1", "$post:6", "$seen:1", "$exact")
        other = self.join(server, bob, "$post:1", "$exact")
        try:
            alice.is_staff = False
            alice.save()
            for name in ("$post:1", "$seen:1", "$exact"):
                assert client.wait_for(f"unsubscribed {name}") == 2000
            publish("$post:6", "still")
            publish("$post:1", "still")
            client.wait(lambda: client.received and client.texts() == ["still"])
            other.wait(lambda: other.texts() == ["still"])
        finally:
            client.__exit__(None, None, None)
            other.__exit__(None, None, None)

    @pytest.mark.parametrize("name", ["$post:1", "$seen:1", "$exact"])
    def test_recheck_of_a_rules_channel(self, server: LiveServer, alice: User, bob: User, name: str) -> None:
        User.objects.update(is_staff=True)
        alice.refresh_from_db(), bob.refresh_from_db()
        client, other = self.join(server, alice, name), self.join(server, bob, name)
        try:
            User.objects.filter(pk=alice.pk).update(is_staff=False)
            recheck(channels=[name])
            assert client.wait_for(f"unsubscribed {name}") == 2000
            publish(name, "still")
            other.wait(lambda: other.texts() == ["still"])
        finally:
            client.__exit__(None, None, None)
            other.__exit__(None, None, None)

    def test_too_many_channels_are_the_end_of_the_connection(
        self, server: LiveServer, alice: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(enforcement, "MOST_CHANNELS", 2)
        User.objects.update(is_staff=True)
        alice.refresh_from_db()
        client = self.join(server, alice, "$post:6", "$post:7", "$post:8")
        try:
            alice.is_staff = False
            alice.save()
            assert client.wait_for("disconnected") == 4501
        finally:
            client.__exit__(None, None, None)


def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the users who are looked at from now on."""
    seen: list[str] = []
    monkeypatch.setattr(enforcement, "apply", lambda rows, **_: bool(seen.extend(row.user for row in rows)))
    return seen


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "way", ["user", "group", "of the permission", "clear", "clear of the permission", "group away"]
)
def test_lost_permissions_are_looked_at(alice: User, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    seen = looked_at(monkeypatch)
    permission, group = Permission.objects.get(codename="view_channel"), Group.objects.create(name="readers")
    alice.user_permissions.add(permission), group.permissions.add(permission), alice.groups.add(group)

    def lose() -> None:
        {
            "user": lambda: alice.user_permissions.remove(permission),
            "group": lambda: group.permissions.remove(permission),
            "of the permission": lambda: permission.group_set.remove(group),
            "clear": lambda: group.permissions.clear(),
            "clear of the permission": lambda: permission.user_set.clear(),
            "group away": lambda: group.delete(),
        }[way]()

    assert rules.registered() == []
    if way != "group away":
        lose()
        assert seen == []  # without rules nobody asks for permissions
        alice.user_permissions.add(permission), group.permissions.add(permission)
    answering(True)
    lose()
    assert set(seen) == {str(alice.pk)}


def test_what_access_says_of_names(alice: User) -> None:
    answering(True)
    assert channel_access.by_rule([NAME, "$other", "$user.1"]).keys() == {NAME}
