"""The demo frontend at /instant/: who sees it, what it sends, and what it answers to nonsense."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import middleware as auth_middleware
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytest_django import Settings

from instant.models import Channel
from instant.testing import Published
from instant.testing.live_servers import free_port
from instant.views import frontend
from tests.fakes import answer, fake_server

pytestmark = pytest.mark.django_db

URL, LABELS = "/instant/", "/instant/labels.js"
CSP = "tests.views.test_demo_frontend.csp"


def csp(get_response: Callable[[HttpRequest], HttpResponseBase]) -> Callable[[HttpRequest], HttpResponseBase]:
    """A middleware that allows scripts of files only."""

    def middleware(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        if request.path.startswith(URL):
            response["Content-Security-Policy"] = "default-src 'self'; connect-src 'self' ws:; style-src 'self'"
        return response

    return middleware


def browser_of(user: User | None, **options: Any) -> Client:
    client = Client(raise_request_exception=False, **options)
    if user is not None:
        client.force_login(user)
    return client


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root", password="pw")


@pytest.fixture
def client(root: User) -> Client:
    return browser_of(root)


def sent_by(client: Client, **fields: str) -> tuple[int, dict[str, Any]]:
    response = client.post(URL, fields)
    assert response["Content-Type"] == "application/json"
    assert "no-store" in response["Cache-Control"]
    return response.status_code, response.json()


# who


def test_the_names_of_the_urls() -> None:
    assert (reverse("instant-frontend"), reverse("instant-frontend-labels")) == (URL, LABELS)


@pytest.mark.parametrize("url", [URL, LABELS])
@pytest.mark.parametrize("middleware", [[], ["django.contrib.auth.middleware.LoginRequiredMiddleware"]])
def test_superusers_only(root: User, settings: Settings, url: str, middleware: list[str]) -> None:
    if middleware and not hasattr(auth_middleware, "LoginRequiredMiddleware"):
        pytest.skip("Django before 5.1 has no LoginRequiredMiddleware")
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, *middleware]
    staff = User.objects.create_user("staff", is_staff=True)
    for user, status in ((None, 403), (staff, 403), (root, 200)):
        response = browser_of(user).get(url)
        assert response.status_code == status
        assert {"private", "no-store"} <= set(re.split(", *", response["Cache-Control"]))
    User.objects.filter(pk=root.pk).update(is_active=False)
    assert browser_of(root).get(url).status_code == 403


def test_a_superuser_who_is_not_active_is_none() -> None:
    """A backend of the site may let inactive users pass."""
    for user in (User(is_superuser=True, is_active=False), AnonymousUser()):
        request = RequestFactory().get(URL)
        request.user = user
        assert frontend(request).status_code == 403


@pytest.mark.parametrize("user", [{"is_staff": True}, None])
def test_nobody_else_sends(published: Published, user: dict[str, Any] | None) -> None:
    client = browser_of(User.objects.create_user("sam", **user) if user else None)
    status, content = sent_by(client, channel="news", message="hi")
    assert (status, content["error"]) == (403, "not_superuser")
    published.assert_nothing_published()


@pytest.mark.parametrize("middleware", [True, False])
def test_csrf(root: User, settings: Settings, published: Published, middleware: bool) -> None:
    if not middleware:
        settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "Csrf" not in name]
    client = browser_of(root, enforce_csrf_checks=True)
    page = client.get(URL).content.decode()
    fields = {"channel": "news", "message": "hi"}
    assert client.post(URL, fields).status_code == 403
    published.assert_nothing_published()
    (token,) = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert client.post(URL, {**fields, "csrfmiddlewaretoken": token}).status_code == 200
    assert client.post(
        URL, {**fields, "csrfmiddlewaretoken": token}, headers={"Origin": "https://front.example.org"}
    ).status_code == 403  # it may log in from there, but not send  # fmt: skip
    assert len(published) == 1


def test_methods(client: Client) -> None:
    assert client.head(URL).status_code == 200
    refused = client.put(URL)
    assert (refused.status_code, refused["Allow"]) == (405, "GET, HEAD, POST")


# the page


@override_settings(SITE_NAME="<My & site>")
def test_the_page(client: Client) -> None:
    Channel.objects.create(name="'\"><b>", level="public")
    Channel.objects.create(name="off", level="users", is_active=False)
    page = client.get(URL).content.decode()
    assert '<option value="&#x27;&quot;&gt;&lt;b&gt;">' in page
    assert '<option value="$off">' in page
    assert "<title>&lt;My &amp; site&gt;: live messages</title>" in page
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", page, re.DOTALL)
    assert all("src=" in attributes or "application/json" in attributes for attributes, _ in scripts)
    assert not re.search(r'\son\w+=|style="|<style', page)
    (data,) = [json.loads(text) for _, text in scripts if text]
    assert data == {"prefix": "/instant/"}


def test_the_labels_are_those_of_the_template(client: Client, settings: Settings) -> None:
    response = client.get(LABELS)
    assert response["Content-Type"] == "text/javascript; charset=utf-8"
    assert "'object created' : 'mq-label mq-created'" in response.content.decode()
    custom = {"instant/event_class_format.js": "var label_classes = {}, label_icons = {}; // {{ user }}"}
    source = settings.TEMPLATES[0]
    loaders = [
        ("django.template.loaders.locmem.Loader", custom),
        "django.template.loaders.app_directories.Loader",
    ]
    settings.TEMPLATES = [{**source, "APP_DIRS": False, "OPTIONS": {**source["OPTIONS"], "loaders": loaders}}]
    lines = client.get(LABELS).content.decode().splitlines()
    assert lines[1:3] == [
        "var label_classes = {}, label_icons = {}; // root",
        "return { classes: label_classes, icons: label_icons };",
    ]


# what it sends


def test_it_sends(client: Client, published: Published) -> None:
    fields = {"channel": " $any ", "message": "hi", "event_class": "ok", "bucket": "b", "data": '{"n": [1, null]}'}
    assert sent_by(client, **fields) == (200, {"response": "ok", "channel": "$any"})
    sent = published.assert_published("$any", message="hi", event_class="ok", bucket="b", data={"n": [1, None]})
    assert sent.site == "Site"
    assert sent_by(client, channel="news", data="false")[0] == 200
    published.assert_published("news", message=None, event_class=None, bucket=None, data=False)


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({}, "empty", "enter a message, data, or both"),
        ({"channel": "news", "data": "null"}, "empty", "enter a message"),
        ({"message": "x"}, "invalid_channel", "must not be empty"),
        ({"channel": "$", "message": "x"}, "invalid_channel", "needs a name after it"),
        ({"channel": "no:where", "message": "x"}, "invalid_channel", "no namespace 'no'"),
        ({"channel": "ä", "message": "x"}, "invalid_channel", "ASCII"),
        ({"channel": "news", "data": "{"}, "invalid_json", "the data is not JSON"),
        ({"channel": "news", "data": "[" * 100_000}, "invalid_json", "nested too deeply"),
        ({"channel": "news", "data": "9" * 5000}, "invalid_json", "not JSON"),
        ({"channel": "news", "data": "NaN"}, "invalid_message", "cannot be sent as JSON"),
        ({"channel": "news", "data": '"\\ud800"'}, "invalid_message", "cannot be sent as JSON"),
        ({"channel": "news", "message": "x" * 900_001}, "too_large", "more than 900000"),
    ],
)
def test_nonsense_is_reported(
    client: Client, published: Published, fields: dict[str, str], code: str, reason: str
) -> None:
    status, content = sent_by(client, **fields)
    assert (status, content["error"]) == (400, code)
    assert reason in content["reason"]
    published.assert_nothing_published()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=60) | st.text(max_size=60).map(lambda text: f"channel=news&data={text}".encode()))
def test_no_body_is_a_500(client: Client, published: Published, body: bytes) -> None:
    for content_type in (
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json",
        "",
    ):
        assert client.post(URL, body, content_type=content_type).status_code < 500


def test_a_server_that_is_away_is_reported(client: Client, settings: Settings) -> None:
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()
    status, content = sent_by(client, channel="news", message="hi")
    assert (status, content["error"]) == (424, "not_published")
    assert "publish to 'news' with the python backend failed" in content["reason"]


def test_a_refusal_of_the_server_is_reported(client: Client) -> None:
    refusal = {"error": {"code": 102, "message": "unknown channel"}}
    with fake_server(answer(refusal)):
        status, content = sent_by(client, channel="news", message="hi")
    assert status == 424
    assert "unknown channel" in content["reason"]
