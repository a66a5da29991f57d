"""get_token/ and subscribe/: tokens for who is logged in."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.http import HttpResponse
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext

from instant.access import client_credentials
from instant.access.session_binding import session_hash
from instant.conf import conf
from instant.models import Channel
from instant.revocation import repeating

pytestmark = pytest.mark.django_db

GET_TOKEN, SUBSCRIBE = "/instant/get_token/", "/instant/subscribe/"
ALLOW_ANONYMOUS = override_settings(INSTANT_ALLOW_ANONYMOUS=True)


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="pw")


@pytest.fixture
def browser(alice: User) -> Client:
    """Alice's browser; CSRF checks are on, and she has no CSRF token."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    return client


@pytest.fixture
def channels(alice: User) -> None:
    for name, level in (("a", "users"), ("b", "users"), ("news", "public"), ("secret", "staff")):
        Channel.objects.create(name=name, level=level)


def post(client: Client, path: str, content: Any = None) -> HttpResponse:
    body = b"" if content is None else json.dumps(content).encode()
    return client.generic("POST", path, body, content_type="application/json")


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, conf.hmac_key, algorithms=["HS256"])


def names(answer: dict[str, Any]) -> list[str]:
    """All but the user's own, which tests/channels/test_user_ids.py has."""
    return [found["name"] for found in answer["channels"] if found["level"] != "user"]


def refused(answer: dict[str, Any]) -> list[str]:
    assert all(set(found) == {"name", "reason"} and found["reason"] for found in answer["refused"])
    return [found["name"] for found in answer["refused"]]


# get_token


@pytest.mark.usefixtures("channels")
@pytest.mark.parametrize("method", ["get", "post"])
def test_all_tokens_by_get_and_by_post_without_csrf(browser: Client, alice: User, method: str) -> None:
    response = browser.get(GET_TOKEN) if method == "get" else post(browser, GET_TOKEN)
    assert response.status_code == 200
    assert "no-store" in response["Cache-Control"]
    answer = response.json()
    assert set(answer) == {"csrf_token", "ws_token", "websocket_url", "channels", "refused"}
    assert names(answer) == ["$a", "$b", "news"]
    assert {claims(found["token"])["sub"] for found in answer["channels"]} == {str(alice.pk)}
    assert all(claims(found["token"])["channel"] == found["name"] for found in answer["channels"])
    assert claims(answer["ws_token"])["meta"]["session"] == session_hash(browser.session.session_key)


@pytest.mark.usefixtures("channels")
def test_tokens_of_just_these_channels(browser: Client) -> None:
    answer = post(browser, GET_TOKEN, {"channels": ["news", "$secret", "$a", "news"]}).json()
    assert names(answer) == ["news", "$a"]
    assert refused(answer) == ["$secret"]
    assert answer["ws_token"]
    none = post(browser, GET_TOKEN, {"channels": []}).json()
    assert (names(none), refused(none)) == ([], [])
    assert none["ws_token"]


@pytest.mark.usefixtures("channels")
def test_no_names_are_all_names(browser: Client) -> None:
    for content in ({}, {"channels": None}, {"other": 1}):
        assert names(post(browser, GET_TOKEN, content).json()) == ["$a", "$b", "news"]


def test_it_is_the_json_of_credentials(browser: Client, alice: User) -> None:
    Channel.objects.create(name="users", level="users")
    answer, direct = browser.get(GET_TOKEN).json(), client_credentials.credentials(alice)
    assert set(answer) == {*direct, "csrf_token"}
    assert answer["channels"][0].keys() == direct["channels"][0].keys()


@pytest.mark.parametrize("path", [GET_TOKEN, SUBSCRIBE])
@pytest.mark.parametrize("value", ["$a", 1, {"$a": 1}, [1], [None], [["$a"]], True, {}])
def test_names_of_a_wrong_type_are_a_400(browser: Client, path: str, value: Any) -> None:
    response = post(browser, path, {"channels": value})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_channels")


@pytest.mark.parametrize("path", [GET_TOKEN, SUBSCRIBE])
def test_too_many_names_are_a_400(browser: Client, path: str) -> None:
    assert post(browser, path, {"channels": ["x"] * 10_000}).status_code != 400
    assert post(browser, path, {"channels": ["x"] * 10_001}).status_code == 400


@pytest.mark.parametrize("count", [3, 300])
def test_four_queries_at_the_most_however_many_channels(
    browser: Client, alice: User, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = [Group.objects.create(name=f"g{number}") for number in range(3)]
    alice.groups.set(groups)
    rows = Channel.objects.bulk_create(
        Channel(name=f"c{number}", level="groups" if number % 2 else "users") for number in range(count)
    )
    for row in rows:
        row.groups.set(groups)
    browser.get(GET_TOKEN)
    # At worst, this request is also the one that looks whether revocations are left to repeat.
    monkeypatch.setattr(repeating._repeater, "asked_at", float("-inf"))
    with CaptureQueriesContext(connection) as queries:
        assert len(names(browser.get(GET_TOKEN).json())) == count
    assert len(queries) == 4
    with CaptureQueriesContext(connection) as queries:
        assert len(names(post(browser, GET_TOKEN, {"channels": [row.name for row in rows]}).json())) == count
    assert len(queries) == 3


# Visitors


@pytest.mark.usefixtures("channels")
def test_visitors_get_nothing_unless_settings_say_so() -> None:
    client = Client(enforce_csrf_checks=True)
    for response in (client.get(GET_TOKEN), post(client, GET_TOKEN), post(client, SUBSCRIBE, {"channel": "news"})):
        assert (response.status_code, response.json()["error"]) == (403, "not_logged_in")


@pytest.mark.usefixtures("channels")
@ALLOW_ANONYMOUS
def test_visitors_get_public_channels_where_settings_say_so() -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.get(GET_TOKEN).json()
    assert names(answer) == ["news"]
    assert claims(answer["ws_token"])["sub"] == ""
    assert claims(answer["channels"][0]["token"])["sub"] == ""
    assert names(post(client, SUBSCRIBE).json()) == ["news"]
    assert post(client, SUBSCRIBE, {"channel": "$a"}).status_code == 403


def test_who_is_no_longer_active_gets_nothing(browser: Client) -> None:
    User.objects.update(is_active=False)
    assert browser.get(GET_TOKEN).status_code == 403
    with override_settings(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.AllowAllUsersModelBackend"]):
        client = Client()
        client.force_login(User.objects.get())
        assert client.get(GET_TOKEN).status_code == 403
        with ALLOW_ANONYMOUS:  # who was shut out is no visitor
            assert client.get(GET_TOKEN).status_code == 403


# subscribe


@pytest.mark.usefixtures("channels")
@pytest.mark.parametrize(
    ("content", "status", "joined", "not_joined"),
    [
        (None, 200, ["$a", "$b", "news"], []),
        ({}, 200, ["$a", "$b", "news"], []),
        ({"channel": "$a"}, 200, ["$a"], []),
        ({"channel": "$secret"}, 403, [], ["$secret"]),
        ({"channel": "a"}, 403, [], ["a"]),
        ({"channel": ""}, 403, [], [""]),
        ({"channels": ["$b", "$a"]}, 200, ["$b", "$a"], []),
        ({"channels": ["$b", "$secret", "x"]}, 200, ["$b"], ["$secret", "x"]),
        (
            {"channels": ["$secret", "x", "\ud800", "\0", "x" * 1000]},
            403,
            [],
            ["$secret", "x", "\ud800", "\0", "x" * 1000],
        ),
        ({"channels": []}, 200, [], []),
        ({"client": "7b8c", "channels": ["$a", "$secret"]}, 200, ["$a"], ["$secret"]),
        ({"client": None, "channels": ["$secret"]}, 403, [], ["$secret"]),
        ({"channels": ["$a"], "channel": "$b"}, 200, ["$a", "$b"], []),
        ({"channels": ["$a"], "channel": "$a"}, 200, ["$a"], []),
    ],
)
def test_subscribe(browser: Client, content: Any, status: int, joined: list[str], not_joined: list[str]) -> None:
    response = post(browser, SUBSCRIBE, content)
    answer = response.json()
    assert response.status_code == status
    assert set(answer) == {"channels", "refused"}
    assert (names(answer), refused(answer)) == (joined, not_joined)
    assert all(claims(found["token"])["channel"] == found["name"] for found in answer["channels"])
    assert "no-store" in response["Cache-Control"]


@pytest.mark.parametrize("value", [None, 1, ["$a"], {"a": 1}, True])
def test_a_channel_is_a_name(browser: Client, value: Any) -> None:
    response = post(browser, SUBSCRIBE, {"channel": value})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_channels")


def test_subscribe_takes_a_constant_number_of_queries(browser: Client) -> None:
    Channel.objects.bulk_create(Channel(name=f"c{number}", level="users") for number in range(300))
    with CaptureQueriesContext(connection) as queries:
        assert len(names(post(browser, SUBSCRIBE).json())) == 300
    assert len(queries) == 3


def test_a_row_of_an_unknown_namespace_spoils_nothing(browser: Client) -> None:
    with override_settings(INSTANT_NAMESPACES={"gone": {}}):
        Channel.objects.create(name="gone:chan", level="users")
    Channel.objects.create(name="here", level="users")
    assert names(browser.get(GET_TOKEN).json()) == ["$here"]
    assert refused(post(browser, SUBSCRIBE, {"channels": ["$gone:chan", "$here"]}).json()) == ["$gone:chan"]
