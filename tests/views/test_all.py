"""What all endpoints have in common: methods, bodies, hosts, caches."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.test import Client, RequestFactory, override_settings
from django.urls import reverse
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instant.views.json_views import json_view

pytestmark = pytest.mark.django_db

LOGIN, GET_TOKEN, SUBSCRIBE, LOGOUT = (
    "/instant/login/",
    "/instant/get_token/",
    "/instant/subscribe/",
    "/instant/logout/",
)


@pytest.fixture
def alice() -> User:
    return User.objects.create_user("alice", password="pw")


@pytest.fixture
def client(alice: User) -> Client:
    """Alice's browser; what fails inside a view is a 500, as on a site."""
    client = Client(raise_request_exception=False)
    client.force_login(alice)
    return client


def assert_refused(response: HttpResponse, status: int, code: str) -> None:
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/json"
    content = json.loads(response.content)
    assert set(content) == {"error", "reason"}
    assert content["error"] == code
    assert content["reason"]
    assert "no-store" in response["Cache-Control"]


def test_the_names_of_the_urls() -> None:
    assert reverse("instant-login") == LOGIN
    assert reverse("instant-get-token") == GET_TOKEN
    assert reverse("instant-subscribe") == SUBSCRIBE
    assert reverse("instant-logout") == LOGOUT


@pytest.mark.parametrize(
    ("path", "allowed"), [(LOGIN, "POST"), (GET_TOKEN, "GET, POST"), (SUBSCRIBE, "POST"), (LOGOUT, "POST")]
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_refused_and_change_nothing(client: Client, path: str, allowed: str, method: str) -> None:
    if method in allowed:
        return
    response = client.generic(method, path)
    assert response.status_code == 405
    assert response["Allow"] == allowed
    if method != "HEAD":
        assert_refused(response, 405, "method_not_allowed")
    assert client.get(GET_TOKEN).status_code == 200


BROKEN = {
    "not JSON": b"{",
    "a form": b"username=alice&password=pw",
    "a list": b'["alice", "pw"]',
    "null": b"null",
    "a number": b"1",
    "a text": b'"alice"',
    "true": b"true",
    "NaN": b"NaN",
    "infinity": b"-Infinity",
    "not UTF-8": b'{"username": "\xff\xfe\xfd"}',
    "a cut character": b'{"username": "\xc3',
    "bytes": bytes(range(256)),
    "NUL": b"\0",
    "huge nesting": b'{"username":' + b"[" * 100_000,
    "huge nesting of objects": b'{"a":' * 100_000,
    "a huge number": b"1" * 10_000,
    "a trailing comma": b'{"username": "alice",}',
    "two objects": b"{}{}",
}


@pytest.mark.parametrize("path", [LOGIN, GET_TOKEN, SUBSCRIBE])
@pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN)
def test_a_broken_body_is_refused_with_a_reason(client: Client, path: str, body: bytes) -> None:
    assert_refused(client.post(path, body, content_type="application/json"), 400, "invalid_json")


@pytest.mark.parametrize("path", [LOGIN, GET_TOKEN, SUBSCRIBE])
def test_a_body_of_3_mb_is_refused(client: Client, path: str) -> None:
    body = json.dumps({"username": "x" * 3_000_000}).encode()
    assert_refused(client.post(path, body, content_type="application/json"), 413, "too_large")


@pytest.mark.parametrize("path", [LOGIN, GET_TOKEN, SUBSCRIBE])
def test_a_body_that_is_cut_off_is_refused(client: Client, path: str) -> None:
    class Cut(io.BytesIO):
        def read(self, size: int = -1) -> bytes:
            raise OSError("the client went away")

    extra = {"wsgi.input": Cut(), "CONTENT_LENGTH": "100", "CONTENT_TYPE": "application/json"}
    assert_refused(client.generic("POST", path, **extra), 400, "unreadable")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
KEYS = st.sampled_from(["username", "password", "channel", "channels", "client"])


@pytest.mark.parametrize("path", [LOGIN, GET_TOKEN, SUBSCRIBE])
@given(content=JSON | st.dictionaries(KEYS, JSON | st.lists(st.text(max_size=5), max_size=3)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_json_makes_a_500(client: Client, path: str, content: Any) -> None:
    response = client.post(path, json.dumps(content), content_type="application/json")
    assert response.status_code in (200, 400, 403)
    assert response.status_code != 200 or path != LOGIN
    assert isinstance(json.loads(response.content), dict)


@given(body=st.binary(max_size=40))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_make_a_500(client: Client, body: bytes) -> None:
    response = client.post(SUBSCRIBE, body, content_type="application/json")
    assert response.status_code == (200 if _is_object(body) else 400)


def _is_object(body: bytes) -> bool:
    """The bytes may happen to be JSON, and keys that nobody knows are let be."""
    try:
        return not body.strip() or isinstance(json.loads(body), dict)
    except (ValueError, RecursionError):
        return False


# Hosts


@pytest.mark.parametrize(
    ("host", "secure", "url"),
    [
        ("testserver", False, "ws://testserver:8427"),
        ("localhost:8000", False, "ws://localhost:8427"),
        ("localhost:8000", True, "wss://localhost:8427"),
        ("LOCALHOST", False, "ws://localhost:8427"),
        ("[::1]", False, "ws://[::1]:8427"),
        ("[::1]:8000", True, "wss://[::1]:8427"),
    ],
)
@override_settings(ALLOWED_HOSTS=["testserver", "localhost", "[::1]"])
def test_the_websocket_url_is_on_the_host_that_the_browser_asked(
    client: Client, host: str, secure: bool, url: str
) -> None:
    assert client.get(GET_TOKEN, headers={"host": host}, secure=secure).json()["websocket_url"] == url


def test_the_websocket_url_by_settings(client: Client) -> None:
    with override_settings(CENTRIFUGO_PORT=None):
        assert client.get(GET_TOKEN).json()["websocket_url"] == "ws://testserver"
    with override_settings(INSTANT_WEBSOCKET_URL="wss://rt.example.org"):
        assert client.get(GET_TOKEN).json()["websocket_url"] == "wss://rt.example.org"


WITHOUT_COMMON = override_settings(
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ]
)


@pytest.mark.parametrize("host", ["evil.example.org", "[::1", "a b", "testserver:x", ""])
def test_a_host_that_is_not_allowed_is_a_400(client: Client, host: str) -> None:
    assert client.get(GET_TOKEN, headers={"host": host}).status_code == 400
    with WITHOUT_COMMON:  # then the views are the first to look at it
        client.handler.load_middleware()
        assert_refused(client.get(GET_TOKEN, headers={"host": host}), 400, "bad_host")
        headers = {"host": host, "origin": "https://front.example.org"}
        credentials = {"username": "alice", "password": "pw"}
        login = client.post(LOGIN, credentials, content_type="application/json", headers=headers)
        assert_refused(login, 400, "bad_host")


@override_settings(ALLOWED_HOSTS=["*"])
def test_a_host_that_is_no_address_is_a_400(client: Client) -> None:
    assert_refused(client.get(GET_TOKEN, headers={"host": "[1:2]"}), 400, "bad_host")


# The rest


def test_a_site_that_asks_for_login_everywhere_leaves_the_endpoints_to_themselves(alice: User) -> None:
    middleware = pytest.importorskip("django.contrib.auth.middleware")
    if not hasattr(middleware, "LoginRequiredMiddleware"):
        pytest.skip("Django 5.1 brought it")
    from django.conf import settings as site

    client = Client()
    with override_settings(MIDDLEWARE=[*site.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]):
        assert_refused(client.get(GET_TOKEN), 403, "not_logged_in")
        assert_refused(client.post(SUBSCRIBE, {}, "application/json"), 403, "not_logged_in")
        assert client.post(LOGOUT).status_code == 200
        credentials = {"username": "alice", "password": "pw"}
        assert client.post(LOGIN, credentials, content_type="application/json").status_code == 200


def test_a_permission_that_something_below_denies_is_said_in_json(rf: RequestFactory) -> None:
    @json_view("GET")
    def view(request: object) -> HttpResponse:
        raise PermissionDenied("too many failures")

    response = view(rf.get("/"))
    assert_refused(response, 403, "permission_denied")
    assert json.loads(response.content)["reason"] == "too many failures"
