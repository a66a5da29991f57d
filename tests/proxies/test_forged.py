"""Calls that nobody's page made, to functions that are there: what was recorded, and is posted again."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from instant.access.session_binding import bound_meta
from instant.conf import conf
from instant.proxies import rpc
from instant.windows import WindowInfo, is_authenticated, signal
from instant.windows import rpc as windows_rpc
from tests.proxies.calls import error, post

pytestmark = pytest.mark.django_db


@pytest.fixture
def called() -> list[str]:
    return []


@pytest.fixture(autouse=True)
def paying(answering: Any, called: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rpc, "call", windows_rpc.call)

    @signal("app.pay", is_authenticated)
    def pay(window_info: WindowInfo) -> None:
        called.append(window_info.username)


def recorded(user: User) -> dict[str, Any]:
    """A call, as whoever listens between the server and Django may have it."""
    meta = bound_meta(user, "s" * 32, "w" * 32)
    return {"client": "c1", "user": str(user.pk), "method": "app.pay", "data": {}, "meta": meta}


@pytest.fixture
def ann() -> User:
    return User.objects.create_user("ann")


def test_what_is_posted_again_without_the_secret(ann: User, called: list[str]) -> None:
    call = recorded(ann)
    assert "result" in post(call).json()
    assert post(call, secret=None).status_code == 403
    assert called == ["ann"]


def test_what_is_posted_again_after_the_secret_was_changed(ann: User, called: list[str], settings: Settings) -> None:
    settings.INSTANT_PROXY_SECRET = old = "the first one"
    assert "result" in post(recorded(ann), secret=old).json()
    settings.INSTANT_PROXY_SECRET = "the second one"
    assert post(recorded(ann), secret=old).status_code == 403
    assert called == ["ann"]


def test_what_is_posted_again_for_who_is_no_longer_active(ann: User, called: list[str]) -> None:
    call = recorded(ann)
    assert "result" in post(call).json()
    User.objects.update(is_active=False)
    assert error(post(call)) == (403, "this account is not active")
    User.objects.all().delete()
    assert error(post(call)) == (403, "this account is not active")
    assert called == ["ann"]


def test_a_window_that_was_somebody_elses(ann: User, called: list[str]) -> None:
    """Another user's connection, with what Ann's page was given; and the other way round."""
    ben, call = User.objects.create_user("ben"), recorded(ann)
    assert error(post({**call, "user": str(ben.pk)}))[0] == 403
    assert error(post({**call, "user": ""}))[0] == 403
    assert error(post({**call, "meta": recorded(ben)["meta"]}))[0] == 403
    assert called == []


def test_a_window_key_in_the_arguments_is_an_argument(ann: User, called: list[str]) -> None:
    call = {**recorded(ann), "data": {"window_info": {"user_id": "1", "window_key": "x"}}}
    assert error(post(call)) == (400, "the argument 'window_info' is unknown")
    assert error(post({**recorded(ann), "data": {"window_key": "x" * 32}}))[0] == 400
    assert called == []


def test_it_is_post_with_the_secret_of_now(ann: User) -> None:
    assert "result" in post(recorded(ann), secret=conf.proxy_secret).json()
