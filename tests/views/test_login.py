"""login/: who logs in, from which page, and what is answered."""

from __future__ import annotations

import json
from typing import Any

import jwt
import pytest
from django.contrib.auth import get_user
from django.contrib.auth.models import AnonymousUser, Group, User
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings

from instant.conf import conf
from instant.models import Channel

pytestmark = pytest.mark.django_db

LOGIN = "/instant/login/"
ALICE = {"username": "alice", "password": "pw"}


class RequestBackend:
    """Lets in who sends the header `X-Door: open`; as some backends do, it cannot work without the request."""

    def authenticate(self, request: HttpRequest, username: str = "", password: str = "") -> User | None:
        return User.objects.get(username=username) if request.headers.get("X-Door") == "open" else None

    def get_user(self, pk: int) -> User | None:
        return User.objects.filter(pk=pk).first()


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="pw")


@pytest.fixture
def bob() -> User:
    return User.objects.create_user("bob", password="pw of bob")


@pytest.fixture
def browser(alice: User) -> Client:
    return Client(enforce_csrf_checks=True, raise_request_exception=False)


def login(client: Client, content: Any = ALICE, **headers: str) -> HttpResponse:
    return client.post(LOGIN, json.dumps(content), content_type="application/json", headers=headers)


def user_of(client: Client) -> Any:
    request = HttpRequest()
    request.session = client.session
    return get_user(request)


def sub(token: str) -> str:
    return jwt.decode(token, conf.hmac_key, algorithms=["HS256"])["sub"]


def test_login_answers_with_all_that_the_client_needs(browser: Client, alice: User) -> None:
    group = Group.objects.create(name="editors")
    alice.groups.add(group)
    Channel.objects.create(name="users", level="users")
    Channel.objects.create(name="news", level="public")
    Channel.objects.create(name="staff", level="staff")
    Channel.objects.create(name="desk", level="groups").groups.add(group)
    response = login(browser)
    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    answer = response.json()
    assert set(answer) == {"csrf_token", "ws_token", "websocket_url", "channels", "refused"}
    assert [(found["name"], found["level"]) for found in answer["channels"]] == [
        ("$desk", "groups"),
        (f"$user.{alice.pk}", "user"),
        ("$users", "users"),
        ("news", "public"),
    ]
    assert {sub(found["token"]) for found in answer["channels"]} == {sub(answer["ws_token"])} == {str(alice.pk)}
    assert len(answer["csrf_token"]) == 64
    assert "csrftoken" in response.cookies
    assert "no-store" in response["Cache-Control"]
    assert user_of(browser) == alice


def test_the_csrf_token_of_the_answer_is_good_for_the_next_request(browser: Client) -> None:
    token = login(browser).json()["csrf_token"]
    assert browser.post("/instant/logout/", headers={"x-csrftoken": token}).status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        {"username": "alice", "password": "wrong"},
        {"username": "nobody", "password": "pw"},
        {"username": "Alice", "password": "pw"},
        {"username": "alice", "password": "pw "},
        {"username": "alice\0", "password": "pw"},
        {"username": "alice", "password": "pw\0"},
        {"username": "inactive", "password": "pw"},
        {"username": "alice' OR 1=1 --", "password": "pw"},
        {"username": "x" * 100_000, "password": "x" * 100_000},
    ],
)
def test_wrong_credentials_are_refused_alike(browser: Client, content: dict[str, str]) -> None:
    User.objects.create_user("inactive", password="pw", is_active=False)
    response = login(browser, content)
    assert response.status_code == 403
    assert response.json() == {"error": "wrong_credentials", "reason": "wrong username or password"}
    assert user_of(browser) == AnonymousUser()


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"username": "alice"},
        {"password": "pw"},
        {"username": "", "password": "pw"},
        {"username": "alice", "password": ""},
        {"username": None, "password": None},
        {"username": ["alice"], "password": "pw"},
        {"username": {"$ne": ""}, "password": {"$ne": ""}},
        {"username": 1, "password": 2},
        {"username": True, "password": True},
        {"username": "\ud800", "password": "pw"},
        {"username": "alice", "password": "pw\udfff"},
    ],
)
def test_missing_and_wrong_fields_are_a_400(browser: Client, content: dict[str, Any]) -> None:
    response = login(browser, content)
    assert response.status_code == 400
    assert response.json()["error"] == "missing_field"
    assert user_of(browser) == AnonymousUser()


def test_an_empty_body_is_a_400(browser: Client) -> None:
    response = browser.generic("POST", LOGIN, CONTENT_TYPE="application/json", CONTENT_LENGTH="0")
    assert (response.status_code, response.json()["error"]) == (400, "missing_field")


def test_of_a_key_given_twice_the_last_counts(browser: Client, bob: User) -> None:
    body = b'{"username": "bob", "username": "alice", "password": "pw"}'
    response = browser.post(LOGIN, body, content_type="application/json")
    assert response.status_code == 200
    assert user_of(browser).username == "alice"


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "",
        "text/json",
        "application",
    ],
)
def test_what_a_form_of_another_site_can_send_is_refused(browser: Client, content_type: str) -> None:
    response = browser.generic("POST", LOGIN, json.dumps(ALICE), content_type=content_type)
    assert response.status_code == 415
    assert response.json()["error"] == "unsupported_media_type"
    assert user_of(browser) == AnonymousUser()


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON", "application/json;"])
def test_json_by_its_other_spellings(browser: Client, content_type: str) -> None:
    assert browser.generic("POST", LOGIN, json.dumps(ALICE), content_type=content_type).status_code == 200


# While somebody is logged in


def test_a_wrong_password_gives_nobodys_tokens_and_keeps_who_is_logged_in(browser: Client, bob: User) -> None:
    login(browser, {"username": "bob", "password": "pw of bob"})
    for content in ({"username": "alice", "password": "wrong"}, {"username": "bob", "password": "wrong"}, {}):
        response = login(browser, content)
        assert response.status_code in (400, 403)
        assert "token" not in response.content.decode()
    assert user_of(browser) == bob


def test_another_user_logs_in_in_the_same_browser(browser: Client, alice: User, bob: User) -> None:
    login(browser, {"username": "bob", "password": "pw of bob"})
    session = browser.session
    session["of bob"] = "secret"
    session.save()
    answer = login(browser).json()
    assert sub(answer["ws_token"]) == str(alice.pk)
    assert user_of(browser) == alice
    assert "of bob" not in browser.session


def test_the_session_key_changes_with_the_login(browser: Client, alice: User) -> None:
    browser.session["x"] = 1
    session = browser.session
    session.save()
    browser.cookies["sessionid"] = session.session_key
    planted = session.session_key
    login(browser)
    assert browser.session.session_key != planted
    thief = Client()
    thief.cookies["sessionid"] = planted
    assert thief.get("/instant/get_token/").status_code == 403


# Backends


def test_authenticate_gets_the_request(browser: Client, alice: User) -> None:
    with override_settings(AUTHENTICATION_BACKENDS=["tests.views.test_login.RequestBackend"]):
        assert login(browser).status_code == 403
        answer = login(browser, **{"x-door": "open"}).json()
    assert sub(answer["ws_token"]) == str(alice.pk)


def test_an_inactive_user_stays_out_whatever_the_backend_says(browser: Client, alice: User) -> None:
    User.objects.update(is_active=False)
    with override_settings(AUTHENTICATION_BACKENDS=["django.contrib.auth.backends.AllowAllUsersModelBackend"]):
        response = login(browser)
        assert (response.status_code, response.json()["error"]) == (403, "wrong_credentials")
        assert user_of(browser) == AnonymousUser()


def test_the_channels_are_those_of_the_page(browser: Client) -> None:
    Channel.objects.create(name="here", level="public", paths=["/here/"])
    Channel.objects.create(name="there", level="public", paths=["/there/"])
    channels = login(browser, {**ALICE, "path": "/here/"}).json()["channels"]
    assert "here" in {channel["name"] for channel in channels}
    assert "there" not in {channel["name"] for channel in channels}
    assert login(browser, {**ALICE, "path": 5}).status_code == 400
