"""Strict channels: a token joins on one connection only."""

from __future__ import annotations

import json
import time
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings

from instant.access import credentials
from instant.access.tokens import STRICT_TTL, channel_token, connection_token
from instant.centrifugo import config
from instant.channels import rules
from instant.channels.namespaces import has_strict, is_strict
from instant.conf import conf
from instant.exceptions import InvalidSetting
from instant.legacy.auth_view import instant_auth, signed_response
from instant.models import Channel, Revocation
from instant.protocol import REVOKED_CODE
from instant.revocation import recheck
from instant.testing import LiveServer
from tests.clients import SyncClient
from tests.rules import no_rules_left  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(transaction=True)

ALL = override_settings(INSTANT_STRICT=True)
OF_TEAM = override_settings(INSTANT_NAMESPACES={"team": {"strict": True}})
CLIENT = "1a8b2f0e-9f2e-4b52-b9f5-0f5c6a3c7d11"


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="pw")


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, conf.hmac_key, algorithms=["HS256"])


def post(client: Client, path: str, content: Any) -> HttpResponse:
    return client.post(f"/instant/{path}/", content, content_type="application/json")


def auth(user: User, content: Any) -> Any:
    request = RequestFactory().post("/centrifuge/auth/", content, content_type="application/json")
    request.user = user
    return json.loads(instant_auth(request).content)


def by_name(response: HttpResponse) -> dict[str, Any]:
    return {channel["name"]: channel for channel in json.loads(response.content)["channels"]}


# Which channels are


def test_by_default_none_is() -> None:
    assert not has_strict()
    assert not is_strict("$a")


@pytest.mark.parametrize(
    ("everywhere", "namespaces", "strict"),
    [
        (True, {}, {"$a", "$team:a", "$user.1"}),
        (True, {"team": {"strict": False}}, {"$a", "$user.1"}),
        (False, {"team": {"strict": True}}, {"$team:a"}),
        (False, {"": {"strict": True}}, {"$a", "$user.1"}),
    ],
)
def test_by_setting_and_by_namespace(everywhere: bool, namespaces: dict[str, Any], strict: set[str]) -> None:
    with override_settings(INSTANT_STRICT=everywhere, INSTANT_NAMESPACES=namespaces):
        assert has_strict()
        assert {name for name in ("$a", "$team:a", "$user.1") if is_strict(name)} == strict


@OF_TEAM
def test_the_server_receives_nothing_about_it() -> None:
    assert "strict" not in json.dumps(config.render())


@pytest.mark.parametrize("value", [1, "yes", None])
def test_it_is_true_or_false(value: object) -> None:
    with (
        override_settings(INSTANT_NAMESPACES={"team": {"strict": value}}),
        pytest.raises(InvalidSetting, match=r"\['team'\]: strict is .*; it must be True or False"),
    ):
        config.render()


# Tokens


@ALL
def test_a_token_is_for_one_connection_and_short() -> None:
    content = claims(channel_token("$a", User(pk=7), client=CLIENT))
    assert (content["client"], content["channel"], content["sub"]) == (CLIENT, "$a", "7")
    assert content["exp"] - content["iat"] == STRICT_TTL
    with override_settings(INSTANT_CHANNEL_TOKEN_TTL=5):
        assert claims(channel_token("$a", User(pk=7), client=CLIENT))["exp"] <= time.time() + 5


def test_another_channel_has_no_use_for_the_connection() -> None:
    assert "client" not in claims(channel_token("$a", User(pk=7), client=CLIENT))


@ALL
def test_without_the_connection_there_is_none() -> None:
    for client in (None, ""):
        with pytest.raises(ValueError, match="strict, so its token is for one connection: pass `client`"):
            channel_token("$a", User(pk=7), client=client)
    with pytest.raises(ValueError, match="strict"):
        signed_response("$a", "", user=User(pk=7))
    assert claims(signed_response("$a", CLIENT, user=User(pk=7))["sign"])["client"] == CLIENT


# Endpoints


@OF_TEAM
def test_get_token_lists_them_without_a_token_until_it_knows_the_connection(browser: Client, alice: User) -> None:
    Channel.objects.create(name="team:a", level="users")
    Channel.objects.create(name="b", level="users")
    before = by_name(post(browser, "get_token", {}))
    assert before["$team:a"] == {"name": "$team:a", "level": "users", "strict": True}
    assert "strict" not in before["$b"]
    assert "client" not in claims(before["$b"]["token"])
    after = by_name(post(browser, "get_token", {"client": CLIENT, "channels": ["$team:a"]}))
    assert after["$team:a"]["strict"] is True
    assert claims(after["$team:a"]["token"])["client"] == CLIENT
    assert credentials(alice, ["$team:a"])["channels"] == [before["$team:a"]]


@ALL
def test_subscribe_and_the_endpoint_of_version_1_read_the_connection(browser: Client, alice: User) -> None:
    Channel.objects.create(name="b", level="users")
    assert by_name(post(browser, "subscribe", {"channel": "$b"})) == {
        "$b": {"name": "$b", "level": "users", "strict": True}
    }
    found = by_name(post(browser, "subscribe", {"channel": "$b", "client": CLIENT}))
    assert claims(found["$b"]["token"])["client"] == CLIENT
    assert auth(alice, {"channels": ["$b"]}) == {"$b": {"status": 403}}
    assert claims(auth(alice, {"channels": ["$b"], "client": CLIENT})["$b"]["sign"])["client"] == CLIENT


@pytest.mark.parametrize("value", [1, True, [], {}, "a b", "x" * 65, "é"])
@pytest.mark.parametrize("path", ["get_token", "subscribe"])
def test_what_is_no_connection_is_a_400(browser: Client, path: str, value: object) -> None:
    response = post(browser, path, {"channels": ["$b"], "client": value})
    assert response.status_code == 400
    assert json.loads(response.content)["error"] == "invalid_client"


def test_nor_is_it_one_for_the_endpoint_of_version_1(alice: User) -> None:
    assert auth(alice, {"channels": ["$b"], "client": 1})["error"] == "invalid_client"


# On a server


def client_of(server: LiveServer, user: User | AnonymousUser) -> SyncClient:
    return SyncClient(server.websocket_url, connection_token(user))


@ALL
def test_a_token_is_of_no_use_on_another_connection(server: LiveServer, alice: User) -> None:
    with client_of(server, alice) as first, client_of(server, alice) as second:
        token = channel_token("$a", alice, client=first.client.client_id)
        with pytest.raises(AssertionError, match="3500"):
            second.join("$a", token)
        first.join("$a", token)


@ALL
def test_who_loses_a_right_is_disconnected_and_the_token_opens_nothing(server: LiveServer, alice: User) -> None:
    Channel.objects.create(name="staff", level="staff")
    alice.is_staff = True
    alice.save()
    Revocation.objects.all().delete()
    with client_of(server, alice) as joined, client_of(server, alice) as reserve:
        joined.join("$staff", channel_token("$staff", alice, client=joined.client.client_id))
        saved = channel_token("$staff", alice, client=reserve.client.client_id)
        alice.is_staff = False
        alice.save()
        assert joined.wait_for("disconnected") == REVOKED_CODE
        assert reserve.wait_for("disconnected") == REVOKED_CODE
    with client_of(server, alice) as again, pytest.raises(AssertionError, match="3500"):
        again.join("$staff", saved)


@ALL
def test_a_visitor_of_a_private_channel_is_unsubscribed(server: LiveServer) -> None:
    allowed = [True]
    rules.rule("$lobby*")(lambda user, channel: allowed[0])
    with override_settings(INSTANT_ALLOW_ANONYMOUS=True), client_of(server, AnonymousUser()) as visitor:
        visitor.join("$lobby1", channel_token("$lobby1", AnonymousUser(), client=visitor.client.client_id))
        allowed[0] = False
        recheck(channels=["$lobby1"])
        assert visitor.wait_for("unsubscribed $lobby1") == 2000
