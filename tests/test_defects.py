"""The defects of version 4.2, impossible here; those of sending are in test_defects_sending.py."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import AnonymousUser, Group, User
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings

from instant import publish
from instant.access.tokens import channel_token, connection_token
from instant.centrifugo.config import render
from instant.conf import conf
from instant.exceptions import InvalidChannel
from instant.models import Channel
from instant.testing import Published

pytestmark = pytest.mark.django_db

LOGIN, GET_TOKEN, LOGOUT = "/instant/login/", "/instant/get_token/", "/instant/logout/"
ALICE = {"username": "alice", "password": "pw"}


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="pw")


@pytest.fixture
def browser(alice: User) -> Client:
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


def login(client: Client, content: Any = ALICE, content_type: str = "application/json", **headers: str) -> HttpResponse:
    return client.post(LOGIN, json.dumps(content), content_type=content_type, headers=headers)


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, conf.hmac_key, algorithms=["HS256"])


@override_settings(INSTANT_NAMESPACES={"ns": {}})
def test_s1_a_private_channel_of_a_namespace_has_its_prefix_at_the_front() -> None:
    """Private channels in a namespace were not private: `ns:$chan`, where the server looks for `$ns:chan`."""
    for name in ("ns:chan", "$ns:chan", "ns:$chan"):
        channel = Channel.objects.create(name=name, level="superuser")
        assert channel.name == "$ns:chan"
        channel.save()
        assert channel.name == "$ns:chan"
        channel.delete()
    (namespace,) = render()["channel"]["namespaces"]
    assert not any(key.startswith("allow_subscribe") for key in namespace)


def test_s2_no_other_site_logs_a_visitor_in_or_out(browser: Client, alice: User) -> None:
    """login took text/plain from any Origin without a CSRF token, and logout worked by GET."""
    evil = {"origin": "https://evil.example.org"}
    assert login(browser, content_type="text/plain").status_code == 415
    assert login(browser, **evil).status_code == 403
    assert login(browser, content_type="text/plain", **evil).status_code == 403
    assert "sessionid" not in browser.cookies
    browser.force_login(alice)
    assert browser.get(LOGOUT).status_code == 405
    assert browser.post(LOGOUT).status_code == 403
    assert browser.get(GET_TOKEN).status_code == 200


def test_s3_login_never_answers_with_the_tokens_of_another_user(browser: Client, alice: User) -> None:
    """login answered 200 with the current user's tokens for a wrong, or another user's, password."""
    bob = User.objects.create_user("bob", password="pw of bob")
    browser.force_login(bob)
    wrong = login(browser, {"username": "alice", "password": "wrong"})
    assert wrong.status_code == 403
    assert "ws_token" not in wrong.json()
    assert claims(login(browser).json()["ws_token"])["sub"] == str(alice.pk)


def test_s4_groups_open_no_channel_of_another_level(alice: User) -> None:
    """A staff channel with a group was open to the group; visitors and inactive users had the users' channels."""
    group = Group.objects.create(name="editors")
    alice.groups.add(group)
    for level in Channel.Level.values:
        Channel.objects.create(name=level, level=level).groups.add(group)
    assert [row.level for row in Channel.objects.for_user(alice)] == ["groups", "users", "public"]
    alice.is_active = False
    assert [row.level for row in Channel.objects.for_user(alice)] == ["public"]
    assert [row.level for row in Channel.objects.for_user(AnonymousUser())] == ["public"]


def test_s5_tokens_live_for_minutes_and_name_the_pk(alice: User) -> None:
    """Tokens lived for 24 hours, with the user name, which may change hands, as sub. (Revocation: test_revocation.)"""
    channel, connection = claims(channel_token("$users", alice)), claims(connection_token(alice))
    assert channel["exp"] - time.time() <= 5 * 60
    assert connection["exp"] - time.time() <= 30 * 60
    assert channel["sub"] == connection["sub"] == str(alice.pk)


class AsksForTheRequest:
    """A backend as django-axes has it."""

    def authenticate(self, request: HttpRequest | None, **credentials: str) -> None:
        if request is None:
            raise ValueError("this backend needs the request")


@override_settings(
    AUTHENTICATION_BACKENDS=["tests.test_defects.AsksForTheRequest", "django.contrib.auth.backends.ModelBackend"]
)
def test_s6_authenticate_is_called_with_the_request(browser: Client) -> None:
    """authenticate() was called without the request, so that django-axes failed. (With it installed: test_axes.)"""
    assert login(browser).status_code == 200


def test_s7_answers_with_tokens_are_stored_nowhere(browser: Client) -> None:
    """Answers with tokens had no Cache-Control."""
    content = {"content_type": "application/json"}
    answers = [login(browser), browser.get(GET_TOKEN), browser.post(GET_TOKEN, {}, **content)]
    answers.append(browser.post("/instant/subscribe/", {}, **content))
    for response in answers:
        assert response.status_code == 200
        assert response["Cache-Control"] == "no-store, private"


def test_c2_a_channel_comes_once_however_many_groups_are_shared(browser: Client, alice: User) -> None:
    """A channel came twice where two groups were shared, or where its level was had, too; the client broke on it."""
    groups = [Group.objects.create(name=name) for name in "ab"]
    alice.groups.set(groups)
    for level in ("groups", "users"):
        Channel.objects.create(name=level, level=level).groups.set(groups)
    names = [channel["name"] for channel in login(browser).json()["channels"] if channel["level"] != "user"]
    assert names == ["$groups", "$users"]


@override_settings(INSTANT_NAMESPACES={"a": {}})
def test_c3_a_name_keeps_all_its_parts() -> None:
    """`a:b:c` became `a:$b`."""
    assert Channel.objects.create(name="a:b:c", level="users").name == "$a:b:c"
    assert Channel.objects.create(name="a:b:c", level="public").name == "a:b:c"


def test_c4_a_duplicate_in_the_admin_is_a_form_error(browser: Client) -> None:
    """Adding "users" in the admin where "$users" was there was a 500 (IntegrityError)."""
    Channel.objects.create(name="users", level="users")
    admin = Client(raise_request_exception=False)
    admin.force_login(User.objects.create_superuser("root"))
    response = admin.post("/admin/instant/channel/add/", {"name": "users", "level": "users"})
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == ["name"]


def test_c5_bulk_writes_and_publish_know_the_prefix_and_public_takes_it_off() -> None:
    """update() and bulk_create() wrote names without `$`, publish() took any name, and public kept the `$`."""
    (channel,) = Channel.objects.bulk_create([Channel(name="chan", level="users")])
    assert channel.name == "$chan"
    Channel.objects.update(level="public")
    assert Channel.objects.get().name == "chan"
    Channel.objects.update(level="staff")
    assert Channel.objects.get().name == "$chan"
    with pytest.raises(InvalidChannel):
        publish("ns:$chan", "to nobody")


def test_c6_nothing_given_to_publish_is_swallowed(published: Published) -> None:
    """The second and third positional argument after the channel were swallowed with the message."""
    with pytest.raises(TypeError):
        publish("news", "message", "info", {"n": 1})
    assert list(published) == []


def test_c7_settings_can_be_overridden(browser: Client, alice: User) -> None:
    """Settings were frozen when instant.conf was imported."""
    key = "a key of this test that is longer than 32 bytes"
    with override_settings(
        CENTRIFUGO_HMAC_KEY=key, CENTRIFUGO_PORT=9999, INSTANT_USER_ID="username", INSTANT_TOKEN_TTL=60
    ):
        answer = login(browser).json()
    content = jwt.decode(answer["ws_token"], key, algorithms=["HS256"])
    assert (content["sub"], content["exp"] - content["iat"]) == ("alice", 60)
    assert answer["websocket_url"].endswith(":9999")


def test_c8_public_channels_are_within_reach_of_visitors() -> None:
    """Visitors who are not logged in could get no token at all, not even for public channels."""
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="users", level="users")
    assert Client().get(GET_TOKEN).status_code == 403
    with override_settings(INSTANT_ALLOW_ANONYMOUS=True):
        answer = Client().get(GET_TOKEN).json()
    assert claims(answer["ws_token"])["sub"] == ""
    assert [claims(channel["token"])["channel"] for channel in answer["channels"]] == ["news"]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"username=alice&password=pw", b"[]", b"null", b'{"username": 1, "password": []}', b'"\xff"'],
    ids=["empty", "broken", "form", "list", "null", "wrong types", "not UTF-8"],
)
def test_r3_a_bad_login_body_is_a_400_with_a_reason(browser: Client, body: bytes) -> None:
    """Seven kinds of bad bodies made a 500."""
    response = browser.generic("POST", LOGIN, body, CONTENT_TYPE="application/json")
    assert response.status_code == 400
    assert response.json()["reason"]
