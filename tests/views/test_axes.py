"""With django-axes: failures are counted by user and address, and lock out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from django.conf import settings
from django.contrib import admin
from django.contrib.auth import signals as auth_signals
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.core.signals import setting_changed
from django.db import connection
from django.db.models import signals as model_signals
from django.http import HttpResponse
from django.test import Client, override_settings

pytest.importorskip("axes")

SIGNALS = [
    auth_signals.user_login_failed,
    auth_signals.user_logged_in,
    auth_signals.user_logged_out,
    model_signals.post_save,
    model_signals.post_delete,
    setting_changed,
]
SETTINGS = {
    "INSTALLED_APPS": [*settings.INSTALLED_APPS, "axes"],
    "AUTHENTICATION_BACKENDS": ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"],
    "MIDDLEWARE": [*settings.MIDDLEWARE, "axes.middleware.AxesMiddleware"],
    "AXES_FAILURE_LIMIT": 3,
    "AXES_LOCKOUT_PARAMETERS": [["username", "ip_address"]],
    "AXES_VERBOSE": False,
}


@pytest.fixture(scope="module", autouse=True)
def axes(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """The app with its tables and its receivers, for these tests only."""
    with ExitStack() as stack:
        for signal in SIGNALS:
            stack.callback(signal.sender_receivers_cache.clear)
            stack.callback(setattr, signal, "receivers", list(signal.receivers))
        stack.callback(setattr, admin.site, "_registry", dict(admin.site._registry))
        stack.enter_context(override_settings(**SETTINGS))
        stack.enter_context(django_db_blocker.unblock())
        from django.apps import apps

        models = list(apps.get_app_config("axes").get_models())
        with connection.schema_editor() as editor:
            for model in models:
                editor.create_model(model)
        yield
        with connection.schema_editor() as editor:
            for model in reversed(models):
                editor.delete_model(model)


@pytest.fixture
def alice(db: None) -> User:
    return User.objects.create_user("alice", password="pw")


@pytest.fixture
def client() -> Client:
    return Client(raise_request_exception=False)


def login(client: Client, username: str, password: str, **headers: str) -> HttpResponse:
    content = json.dumps({"username": username, "password": password})
    return client.post("/instant/login/", content, content_type="application/json", headers=headers)


def test_it_is_at_work(alice: User, client: Client) -> None:
    from axes.models import AccessAttempt

    assert login(client, "alice", "wrong").status_code == 403
    attempt = AccessAttempt.objects.get()
    assert (attempt.username, attempt.ip_address, attempt.failures_since_start) == ("alice", "127.0.0.1", 1)
    assert attempt.path_info == "/instant/login/"


def test_lock_out_is_a_clean_4xx(alice: User, client: Client) -> None:
    assert [login(client, "alice", "wrong").status_code for _ in range(2)] == [403, 403]
    for password in ("wrong", "wrong", "pw"):
        response = login(client, "alice", password)
        assert response.status_code == 429
        assert b"ws_token" not in response.content
    assert client.get("/instant/get_token/").status_code == 403


def test_lock_out_holds_for_that_user_only(alice: User, client: Client) -> None:
    User.objects.create_user("bob", password="pw of bob")
    for _ in range(4):
        login(client, "alice", "wrong")
    assert login(client, "bob", "pw of bob").status_code == 200


def test_a_login_that_succeeds_is_counted_as_one(alice: User, client: Client) -> None:
    from axes.models import AccessLog

    assert login(client, "alice", "pw").status_code == 200
    assert AccessLog.objects.get().username == "alice"
    assert client.post("/instant/logout/").status_code == 200


def test_without_its_middleware_lock_out_is_our_403(alice: User, client: Client) -> None:
    with override_settings(MIDDLEWARE=settings.MIDDLEWARE[:-1]):
        for _ in range(3):
            login(client, "alice", "wrong")
        response = login(client, "alice", "pw")
        assert (response.status_code, response.json()["error"]) == (403, "wrong_credentials")


def test_a_receiver_of_its_signal_may_deny(alice: User, client: Client) -> None:
    """The way that its documentation gives for an answer of one's own."""
    from axes.signals import user_locked_out

    def deny(**kwargs: object) -> None:
        raise PermissionDenied("Too many failed attempts")

    user_locked_out.connect(deny)
    try:
        with override_settings(MIDDLEWARE=settings.MIDDLEWARE[:-1]):
            answers = [login(client, "alice", "wrong") for _ in range(3)]
    finally:
        user_locked_out.disconnect(deny)
    assert [answer.status_code for answer in answers] == [403, 403, 403]
    assert answers[2].json() == {"error": "permission_denied", "reason": "Too many failed attempts"}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"username": null}', b'{"username": "\\ud800", "password": "x"}'])
def test_broken_bodies_stay_4xx(alice: User, client: Client, body: bytes) -> None:
    response = client.generic("POST", "/instant/login/", body, CONTENT_TYPE="application/json")
    assert response.status_code == 400


# Our own limits


@pytest.mark.parametrize("backend", ["axes.backends.AxesStandaloneBackend", "axes.backends.AxesBackend", "subclass"])
def test_it_counts_alone(backend: str, alice: User, client: Client) -> None:
    if backend == "subclass":
        from axes.backends import AxesStandaloneBackend

        globals()["OfTheSite"] = type("OfTheSite", (AxesStandaloneBackend,), {})
        backend = f"{__name__}.OfTheSite"
    backends = [backend, "django.contrib.auth.backends.ModelBackend"]
    with override_settings(AUTHENTICATION_BACKENDS=backends, AXES_FAILURE_LIMIT=1000):
        assert [login(client, "alice", "wrong").status_code for _ in range(15)] == [403] * 15
        assert login(client, "alice", "pw").status_code == 200


def test_where_it_is_off_we_count(alice: User, client: Client) -> None:
    with override_settings(AXES_ENABLED=False, AXES_FAILURE_LIMIT=1000):
        assert [login(client, "alice", "wrong").status_code for _ in range(11)] == [403] * 10 + [429]


def test_without_its_backend_we_count(alice: User, client: Client) -> None:
    backends = ["tests.views.test_login.RequestBackend", "django.contrib.auth.backends.ModelBackend"]
    with override_settings(AUTHENTICATION_BACKENDS=backends, AXES_FAILURE_LIMIT=1000):
        assert [login(client, "alice", "wrong").status_code for _ in range(11)] == [403] * 10 + [429]
