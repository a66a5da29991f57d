"""The window of a page: what the page and get_token give for it, and to nobody else."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from instant.access import channel_access
from instant.channels.namespaces import check_name
from instant.conf import conf
from instant.exceptions import InvalidChannel, InvalidSetting
from instant.models import Channel
from instant.pages.filling import fill
from instant.pages.page_state import page_of
from instant.windows import topics
from instant.windows.window_keys import window_key
from tests.fakes import fake_server
from tests.features import use_features
from tests.live_pages import PAGE, credentials, histories, render

pytestmark = pytest.mark.django_db
GET_TOKEN = "/instant/get_token/"


@pytest.fixture(autouse=True)
def windows_are_in_use(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    use_features(monkeypatch, windows=True)


@pytest.fixture
def alice() -> User:
    Channel.objects.create(name="news", level="public")
    return User.objects.create_user("alice")


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


def request_in(browser: Client, user: Any = None) -> HttpRequest:
    request = RequestFactory().get("/page/")
    request.user, request.session = user or AnonymousUser(), browser.session
    page_of(request).fills = True
    return request


def page_in(browser: Client, user: Any, *topics_of_page: Any, template: str = PAGE) -> dict[str, Any]:
    """The credentials of a page with these topics, as the browser gets it."""
    request = request_in(browser, user)
    if topics_of_page:
        topics.set_websocket_topics(request, list(topics_of_page))
    found: dict[str, Any] = credentials(fill(request, HttpResponse(render(request, template))).content.decode())
    return found


def get_token(browser: Client, **body: Any) -> Any:
    return browser.post(GET_TOKEN, json.dumps(body), content_type="application/json").json()


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, conf.hmac_key, algorithms=["HS256"])


def of_page(answer: dict[str, Any]) -> list[str]:
    for found in answer["channels"]:
        assert claims(found["token"])["channel"] == found["name"]
        assert (found["level"] == "page") == found["name"].startswith("$page:")
    return [found["name"] for found in answer["channels"] if found["level"] == "page"]


def test_a_page_has_a_window(browser: Client, alice: User) -> None:
    answer = page_in(browser, alice, 1, "text")
    names = of_page(answer)
    assert len(names) == len(set(names)) == 5  # its own, the user's, all, and two topics
    assert "news" in [found["name"] for found in answer["channels"]]
    meta = claims(answer["ws_token"])["meta"]
    assert set(meta) == {"window", "session", "user", "auth", "rights"}
    assert len(meta["window"]) == 32
    assert meta["user"] == str(alice.pk)
    assert browser.session.session_key not in json.dumps(meta)
    assert browser.session.session_key not in str(signing.loads(answer["window"], salt="instant.window"))
    assert answer["refused"] == []


def test_a_page_without_topics_has_one_too(browser: Client, alice: User) -> None:
    assert len(of_page(page_in(browser, alice))) == 3


def test_a_site_without_windows_has_none(browser: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    use_features(monkeypatch)
    answer = page_in(browser, alice)
    assert "window" not in answer
    assert of_page(answer) == []
    assert "window" not in claims(answer["ws_token"])["meta"]


def test_two_pages_are_two_windows_that_share_their_topics(browser: Client, alice: User) -> None:
    one, other = (page_in(browser, alice, 1) for _ in range(2))
    assert len(set(of_page(one)) & set(of_page(other))) == 3
    assert claims(one["ws_token"])["meta"] != claims(other["ws_token"])["meta"]
    assert one["window"] != other["window"]


def test_a_page_with_streams_has_its_window_all_the_same(browser: Client, alice: User) -> None:
    template = "<html>{% load instant %}{% instant_client %}{% instant_stream 'news' %}</html>"
    answer = page_in(browser, alice, 1, template=template)
    assert len(of_page(answer)) == 4
    assert answer["refused"] == []


def test_positions(browser: Client, alice: User) -> None:
    with fake_server(histories()) as server:
        answer = page_in(browser, alice, 1)
        own = topics.own_channel(claims(answer["ws_token"])["meta"]["window"])
        positions = {found["name"]: found["position"] for found in answer["channels"]}
        assert positions.pop(own) == {"offset": 0, "epoch": ""}
        assert all(position == {"offset": 1, "epoch": "e"} for position in positions.values())
        asked = [command["history"]["channel"] for request in server.requests for command in request.json["commands"]]
        assert set(asked) == set(positions)
        assert len(asked) == len(positions)


# The same again


def test_get_token_gives_the_window_again(browser: Client, alice: User) -> None:
    page = page_in(browser, alice, 1, "text")
    again = get_token(browser, window=page["window"])
    assert of_page(again) == of_page(page)
    assert claims(again["ws_token"])["meta"] == claims(page["ws_token"])["meta"]
    assert again["window"] == page["window"]
    assert again["refused"] == []
    with_path = get_token(browser, window=page["window"], path="/page/")
    assert of_page(with_path) == of_page(page)


def test_tokens_of_just_some_channels(browser: Client, alice: User) -> None:
    page = page_in(browser, alice, 1)
    name = of_page(page)[-1]
    answer = get_token(browser, window=page["window"], channels=["news", name, "$page:" + "0" * 32])
    assert [found["name"] for found in answer["channels"]] == ["news", name]
    assert [found["name"] for found in answer["refused"]] == ["$page:" + "0" * 32]
    assert claims(answer["ws_token"])["meta"] == claims(page["ws_token"])["meta"]
    assert of_page(get_token(browser, window=page["window"], channels=[])) == []


def test_without_its_blob_nobody_gets_a_topic(browser: Client, alice: User) -> None:
    names = of_page(page_in(browser, alice, 1))
    answer = get_token(browser, channels=names)
    assert answer["channels"] == []
    assert [found["name"] for found in answer["refused"]] == names
    assert "window" not in answer
    assert "window" not in claims(answer["ws_token"])["meta"]
    assert not any(channel_access.may_join(alice, name) for name in names)
    direct = browser.post("/instant/subscribe/", json.dumps({"channels": names}), content_type="application/json")
    assert direct.status_code == 403


def refused(browser: Client, blob: Any, names: list[str]) -> None:
    answer = get_token(browser, window=blob, channels=names)
    assert answer["channels"] == []
    assert [found["name"] for found in answer["refused"]] == names
    assert answer["window"] is None
    assert "window" not in claims(answer["ws_token"])["meta"]
    assert of_page(get_token(browser, window=blob)) == []


def test_another_users_window_is_refused(browser: Client, alice: User) -> None:
    page = page_in(browser, alice, 1)
    thief = Client()
    thief.force_login(User.objects.create_user("bob"))
    refused(thief, page["window"], of_page(page))


def test_another_sessions_window_is_refused(browser: Client, alice: User) -> None:
    page = page_in(browser, alice, 1)
    other = Client()
    other.force_login(alice)
    refused(other, page["window"], of_page(page))
    browser.logout()
    browser.force_login(alice)
    refused(browser, page["window"], of_page(page))


@pytest.mark.parametrize("change", ["cut", "longer", "another key", "not ours", "empty", "another salt"])
def test_a_forged_window_is_refused(browser: Client, alice: User, change: str, settings: Settings) -> None:
    page = page_in(browser, alice, 1)
    blob, content = page["window"], signing.loads(page["window"], salt="instant.window")
    forged = {
        "cut": blob[:-1],
        "longer": blob + "A",
        "another key": signing.dumps(content, key="x" * 50, salt="instant.window", compress=True),
        "not ours": signing.dumps([1], salt="instant.window"),
        "empty": "",
        "another salt": signing.dumps(content, compress=True),
    }[change]
    refused(browser, forged, of_page(page))


def test_a_window_ends_with_its_session(browser: Client, alice: User, settings: Settings) -> None:
    page = page_in(browser, alice, 1)
    settings.SESSION_COOKIE_AGE = -1
    refused(browser, page["window"], of_page(page))


@pytest.mark.parametrize("blob", [1, ["x"], {"a": 1}, True, "x" * 65537])
def test_what_is_no_blob_is_a_400(browser: Client, blob: Any) -> None:
    assert get_token(browser, window=blob)["error"] == "invalid_window"


@pytest.mark.parametrize("body", [{}, {"window": None}])
def test_without_a_window_all_is_as_before(browser: Client, body: dict[str, Any]) -> None:
    answer = get_token(browser, **body)
    assert "window" not in answer
    assert "window" not in claims(answer["ws_token"])["meta"]


def test_as_many_topics_as_there_may_be(browser: Client, alice: User) -> None:
    page = page_in(browser, alice, *range(conf.INSTANT_MAX_TOPICS))
    assert len(page["window"]) < 20_000
    assert of_page(get_token(browser, window=page["window"])) == of_page(page)
    assert len(of_page(page)) == conf.INSTANT_MAX_TOPICS + 3


# Visitors


def credentials_of_visitor(visitor: Client) -> dict[str, Any]:
    request = RequestFactory().get("/page/")
    request.user, request.session = AnonymousUser(), visitor.session.__class__()
    page_of(request).fills = True
    found: dict[str, Any] = credentials(fill(request, HttpResponse(render(request))).content.decode())
    return found


def test_a_visitors_window(settings: Settings, alice: User, browser: Client) -> None:
    settings.INSTANT_ALLOW_ANONYMOUS = True
    visitor = Client()
    page = credentials_of_visitor(visitor)
    meta = claims(page["ws_token"])["meta"]
    assert (meta["session"], meta["user"]) == ("", "")
    assert len(of_page(page)) == 2
    assert of_page(get_token(visitor, window=page["window"])) == of_page(page)
    visitor.session.save()  # it may have begun since, and the window goes on as it was
    session = visitor.session
    session["cart"] = 1
    session.save()
    visitor.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    again = get_token(visitor, window=page["window"])
    assert of_page(again) == of_page(page)
    assert claims(again["ws_token"])["meta"] == meta
    refused(browser, page["window"], of_page(page))


def test_who_may_not_connect_has_none() -> None:
    visitor = Client()
    request = request_in(visitor)
    assert credentials(fill(request, HttpResponse(render(request))).content.decode()) is None


# Names


def test_nobody_declares_a_channel_among_the_pages_own(alice: User, settings: Settings) -> None:
    request = request_in(Client(), alice)
    topics.set_websocket_topics(request, [1])
    name = topics.own_channel(window_key(request))
    with pytest.raises(InvalidChannel, match="reserved for the channels of pages"):
        Channel.objects.create(name=name, level="users")
    settings.INSTANT_USERS_CHANNELS = [[name]]
    with pytest.raises(InvalidSetting, match="reserved for the channels of pages"):
        channel_access.channels_for(alice)
    assert check_name(name) == name  # Django itself publishes there
