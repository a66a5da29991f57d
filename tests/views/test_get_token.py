"""get_token/ and subscribe/: tokens for who is logged in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from instant.access import channel_access, client_credentials
from instant.access.session_binding import session_hash
from instant.centrifugo import config, offline
from instant.channels import rules
from instant.conf import conf
from instant.models import Channel
from instant.proxies.rate_limits import Buckets
from instant.revocation import repeating
from instant.views import token_rate
from instant.views.tokens import get_connection_token

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
    """As many as a connection may join."""
    most = [f"x{number}" for number in range(config.render()["client"]["channel_limit"])]
    assert post(browser, path, {"channels": most}).status_code != 400
    response = post(browser, path, {"channels": [*most, "one"]})
    assert (response.status_code, response.json()["error"]) == (400, "invalid_channels")
    assert "1024" in response.json()["reason"]


def test_one_channel_besides_counts_too(browser: Client) -> None:
    most = [f"x{number}" for number in range(config.CHANNEL_LIMIT)]
    assert post(browser, SUBSCRIBE, {"channels": most, "channel": "one"}).status_code == 400
    assert post(browser, SUBSCRIBE, {"channels": most[1:], "channel": "one"}).status_code == 403


# Rules


@pytest.fixture
def called() -> Iterator[list[int]]:
    """The numbers that the rule of `$slow:<number>` was called with; each call takes a second of `clock`."""
    found: list[int] = []
    clock = [0.0]

    def slow(user: Any, number: int) -> bool:
        found.append(number)
        clock[0] += 1
        return True

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(channel_access.time, "monotonic", lambda: clock[0])
        rules.add("$slow:<int:number>", slow)
        yield found
        rules.remove("$slow:<int:number>")


@pytest.mark.usefixtures("channels")
@pytest.mark.parametrize("path", [GET_TOKEN, SUBSCRIBE])
def test_rules_have_a_time_in_all_and_the_rest_is_refused(
    browser: Client, path: str, called: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    wanted = [f"$slow:{number}" for number in range(10)]
    response = post(browser, path, {"channels": ["$secret", *wanted, "news"]})
    assert response.status_code == 200
    assert called == [0, 1, 2, 3, 4, 5]
    assert names(response.json()) == [*wanted[:6], "news"]
    reasons = {found["name"]: found["reason"] for found in response.json()["refused"]}
    assert reasons.keys() == {"$secret", *wanted[6:]}
    assert reasons["$secret"] == client_credentials.NOT_ALLOWED
    assert all("fewer channels at once" in reasons[name] for name in wanted[6:])
    assert "4 channels were refused" in caplog.text
    assert names(post(browser, path, {"channels": wanted[6:]}).json()) == wanted[6:]


def test_all_rules_of_a_full_page_are_called_where_they_are_fast(browser: Client) -> None:
    rules.add("$fast:<int:number>", lambda user, number: True)
    try:
        wanted = [f"$fast:{number}" for number in range(config.CHANNEL_LIMIT)]
        assert names(post(browser, GET_TOKEN, {"channels": wanted}).json()) == wanted
    finally:
        rules.remove("$fast:<int:number>")


def test_who_may_be_in_a_channel_is_asked_without_that_time(alice: User, called: list[int]) -> None:
    """A revocation must not take a user out because others took long."""
    wanted = [f"$slow:{number}" for number in range(10)]
    assert list(channel_access.allowed(alice, wanted)) == wanted


# Rate


def test_a_session_has_a_rate(browser: Client, alice: User, settings: Settings) -> None:
    settings.INSTANT_TOKEN_RATE = "3/60s"
    assert [browser.get(GET_TOKEN).status_code for _ in range(2)] == [200, 200]
    assert post(browser, SUBSCRIBE).status_code == 200
    for response in (browser.get(GET_TOKEN), post(browser, GET_TOKEN), post(browser, SUBSCRIBE)):
        assert response.status_code == 429
        assert response.json()["error"] == "too_many"
        assert response["Retry-After"] == "20"
        assert "no-store" in response["Cache-Control"]
    other = Client()
    other.force_login(alice)
    assert other.get(GET_TOKEN).status_code == 200
    settings.INSTANT_TOKEN_RATE = None
    assert browser.get(GET_TOKEN).status_code == 200


def test_the_default_rate_is_for_many_tabs_and_reconnects(browser: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_rate, "requests", Buckets(lambda: 0.0))
    assert {browser.get(GET_TOKEN).status_code for _ in range(600)} == {200}
    assert browser.get(GET_TOKEN).status_code == 429


def test_visitors_without_a_session_have_ten_times_the_rate_by_address(settings: Settings) -> None:
    settings.INSTANT_ALLOW_ANONYMOUS = True
    settings.INSTANT_TOKEN_RATE = "2/60s"
    found = []
    for number in range(21):
        client = Client()
        if number % 2:  # a made-up cookie is no session
            client.cookies["sessionid"] = f"{number:032}"
        found.append(client.get(GET_TOKEN).status_code)
    assert found == [200] * 20 + [429]
    assert Client(REMOTE_ADDR="198.51.100.7").get(GET_TOKEN).status_code == 200


@pytest.mark.parametrize("engine", ["signed_cookies", "cache", "file", "cached_db"])
def test_a_made_up_cookie_is_no_session_of_any_engine(engine: str, settings: Settings, tmp_path: Path) -> None:
    settings.INSTANT_ALLOW_ANONYMOUS = True
    settings.INSTANT_TOKEN_RATE, settings.SESSION_FILE_PATH = "1/60s", str(tmp_path)
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    found = []
    for number in range(11):
        client = Client()
        client.cookies["sessionid"] = f"{number:032}"
        found.append(client.get(GET_TOKEN).status_code)
    assert found == [200] * 10 + [429]


def test_a_visitor_with_a_session_counts_for_it(settings: Settings) -> None:
    settings.INSTANT_ALLOW_ANONYMOUS = True
    settings.INSTANT_TOKEN_RATE = "1/60s"
    for _ in range(11):
        client = Client()
        session = client.session
        session["basket"] = 1
        session.save()
        client.cookies["sessionid"] = session.session_key
        assert [client.get(GET_TOKEN).status_code for _ in range(2)] == [200, 429]


def test_a_user_without_a_session_counts_as_a_user(alice: User, rf: RequestFactory, settings: Settings) -> None:
    settings.INSTANT_TOKEN_RATE = "1/60s"
    bob = User.objects.create_user("bob")
    found = []
    for user in (alice, bob, alice):
        request = rf.get(GET_TOKEN)
        request.user = user
        found.append(get_connection_token(request).status_code)
    assert found == [200, 200, 429]


def test_an_unknown_address_has_no_rate(settings: Settings) -> None:
    """All visitors of the site would share it."""
    settings.INSTANT_ALLOW_ANONYMOUS = True
    settings.INSTANT_TOKEN_RATE = "1/60s"
    assert {Client(REMOTE_ADDR="").get(GET_TOKEN).status_code for _ in range(30)} == {200}


@pytest.mark.parametrize("count", [3, 300])
def test_six_queries_at_the_most_however_many_channels(
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
    monkeypatch.setattr(offline, "is_test", lambda: False)
    repeating._repeater().asked_at.clear()
    with CaptureQueriesContext(connection) as queries:
        assert len(names(browser.get(GET_TOKEN).json())) == count
    assert len(queries) == 6
    with CaptureQueriesContext(connection) as queries:
        assert len(names(post(browser, GET_TOKEN, {"channels": [row.name for row in rows]}).json())) == count
    assert len(queries) == 5


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
    post(browser, SUBSCRIBE)
    with CaptureQueriesContext(connection) as queries:
        assert len(names(post(browser, SUBSCRIBE).json())) == 300
    assert len(queries) == 5


def test_a_row_of_an_unknown_namespace_spoils_nothing(browser: Client) -> None:
    with override_settings(INSTANT_NAMESPACES={"gone": {}}):
        Channel.objects.create(name="gone:chan", level="users")
    Channel.objects.create(name="here", level="users")
    assert names(browser.get(GET_TOKEN).json()) == ["$here"]
    assert refused(post(browser, SUBSCRIBE, {"channels": ["$gone:chan", "$here"]}).json()) == ["$gone:chan"]
