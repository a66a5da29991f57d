"""INSTANT_USER_ID = "username": what was given to a user opens nothing for, or of, the next user of the same name."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.core import checks
from django.test import Client, RequestFactory
from pytest_django import Settings

from instant.access.channel_access import channels_for
from instant.access.ended_sessions import has_ended
from instant.access.rights import rights_fingerprint
from instant.access.session_binding import bound_meta
from instant.access.tokens import connection_token
from instant.channels.user_ids import user_channel, user_named
from instant.conf import conf
from instant.exceptions import Deny
from instant.sockets import SocketInfo, WebSocketHandler
from instant.windows import page_window
from instant.windows.window_info import WindowInfo
from instant.worker import websocket_authentication
from tests.proxies.calls import error, post

pytestmark = pytest.mark.django_db
User = get_user_model()


@pytest.fixture(autouse=True)
def by_username(settings: Settings) -> None:
    settings.INSTANT_USER_ID = "username"


def deleted(user: Any) -> Any:
    user.delete()
    return User.objects.create_user("dave", is_staff=True)


def renamed(user: Any) -> Any:
    user.username = "dave2"
    user.save()
    return User.objects.create_user("dave", is_staff=True)


@pytest.fixture(params=[deleted, renamed])
def next_one(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    change: Callable[[Any], Any] = request.param
    return change


@pytest.fixture
def dave() -> Any:
    return User.objects.create_user("dave", password="pw")


def claims(whose: Any, **meta: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = jwt.decode(
        connection_token(whose, meta=meta or None), conf.hmac_key, algorithms=["HS256"]
    )
    return decoded


def test_a_token_says_whose_it_is_where_only_the_server_reads_it(dave: Any, settings: Settings) -> None:
    assert claims(dave)["sub"] == "dave"
    assert claims(dave)["meta"] == {**bound_meta(dave, rights=""), "pk": str(dave.pk)}
    assert str(dave.pk) not in claims(dave)["info"].values()
    assert claims(dave, window="w")["meta"] == {"window": "w", "pk": str(dave.pk)}
    assert "pk" not in claims(AnonymousUser())["meta"]
    settings.INSTANT_USER_ID = "pk"
    assert "pk" not in claims(dave)["meta"]


def test_a_call(dave: Any, next_one: Callable[[Any], Any]) -> None:
    meta = claims(dave)["meta"]
    assert WindowInfo.from_client("dave", meta).user == dave
    new = next_one(dave)
    with pytest.raises(Deny):
        WindowInfo.from_client("dave", meta)
    for wrong in ({}, {"pk": "x"}, {"pk": None}, {"pk": ""}, {"pk": [1]}):
        with pytest.raises(Deny):
            WindowInfo.from_client("dave", wrong)
    assert WindowInfo.from_client("dave", claims(new)["meta"]).user == new


def test_a_call_through_the_proxy(dave: Any, next_one: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from instant.proxies import rate_limits, rpc
    from instant.windows import is_staff, signal
    from instant.windows import rpc as windows_rpc

    monkeypatch.setattr(rpc, "call", windows_rpc.call)
    monkeypatch.setattr(rpc, "calls", rate_limits.Buckets())

    @signal("names.secret", is_staff)
    def secret(window_info: WindowInfo) -> str:
        return "secret"

    old = claims(dave)["meta"]
    new = next_one(dave)
    call = {"client": "c1", "user": "dave", "method": "names.secret", "data": {}}
    assert error(post({**call, "meta": old}))[0] == 403
    assert error(post(call))[0] == 403
    assert "result" in post({**call, "meta": claims(new)["meta"]}).json()
    of_window = bound_meta(new, "s" * 32, "w" * 32)
    assert "result" in post({**call, "meta": claims(new, **of_window)["meta"]}).json()


def test_a_socket(dave: Any, next_one: Callable[[Any], Any]) -> None:
    meta = claims(dave)["meta"]
    new = next_one(dave)

    def user_with(meta: dict[str, Any]) -> Any:
        handler = WebSocketHandler()
        handler._sub, handler.info = "dave", SocketInfo("centrifugo", meta=meta)
        return handler.user

    assert user_with(meta).is_anonymous
    assert user_with({}).is_anonymous
    assert user_with(claims(new)["meta"]) == new


def test_a_plain_websocket_by_token(dave: Any, next_one: Callable[[Any], Any]) -> None:
    guest = websocket_authentication.admit([f"instant.{connection_token(dave)}"], {})
    assert websocket_authentication.is_still_in(guest)
    next_one(dave)
    assert not websocket_authentication.is_still_in(guest)


@pytest.mark.parametrize(
    ("session", "expires_in", "engine", "ends"),
    [
        pytest.param("", None, "db", True, id="without a session"),
        pytest.param("s" * 32, None, "db", False, id="of a session"),
        pytest.param("s" * 32, 60, "db", True, id="of a session that expires"),
        pytest.param("s" * 32, None, "signed_cookies", True, id="of a session in a cookie"),
    ],
)
def test_a_plain_websocket_ends_with_its_token_where_nothing_else_ends_it(
    dave: Any,
    session: str,
    expires_in: int | None,
    engine: str,
    ends: bool,
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
) -> None:
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    token = connection_token(dave, meta=bound_meta(dave, session), expires_in=expires_in)
    guest = websocket_authentication.admit([f"instant.{token}"], {})
    assert websocket_authentication.is_still_in(guest)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + conf.INSTANT_TOKEN_TTL)
    assert websocket_authentication.is_still_in(guest) is not ends


@pytest.mark.parametrize("user_id", ["pk", "username"])
def test_a_plain_websocket_by_cookie_stays_open(dave: Any, client: Client, settings: Settings, user_id: str) -> None:
    settings.INSTANT_USER_ID = user_id
    client.force_login(dave)
    cookie = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    guest = websocket_authentication.admit([], cookie)
    assert not has_ended(dave, guest.meta or {})  # what the pool asks when it opens
    assert websocket_authentication.is_still_in(guest)  # and every minute
    client.logout()
    assert has_ended(dave, guest.meta or {})
    assert not websocket_authentication.is_still_in(guest)


def test_a_plain_websocket_by_cookie(dave: Any, next_one: Callable[[Any], Any], client: Client) -> None:
    client.force_login(dave)
    cookie = {"Cookie": f"sessionid={client.cookies['sessionid'].value}"}
    guest = websocket_authentication.admit([], cookie)
    assert user_named(guest.user, guest.meta or {}) == dave
    assert websocket_authentication.is_still_in(guest)
    new = next_one(dave)
    assert not websocket_authentication.is_still_in(guest)
    # Even where the session has become the new user's.
    store = SessionStore(client.cookies["sessionid"].value)
    other = Client()
    other.force_login(new)
    store.update(SessionStore(other.cookies["sessionid"].value).load())
    store.save()
    assert not websocket_authentication.is_still_in(guest)


def test_the_personal_channel(dave: Any, next_one: Callable[[Any], Any]) -> None:
    before = user_channel(dave)
    new = next_one(dave)
    assert user_channel(new) != before
    assert before not in [access.name for access in channels_for(new)]
    assert user_channel(new) in [access.name for access in channels_for(new)]


def test_the_window_of_a_page(dave: Any, next_one: Callable[[Any], Any]) -> None:
    def request_of(user: Any) -> Any:
        request = RequestFactory().get("/")
        request.user = user
        return request

    window = page_window.topics.Window("w", ("$ww:a",))
    blob = page_window.topics.signed(window, page_window.owner(dave), "", rights_fingerprint(dave))
    assert page_window.of_blob(request_of(dave), blob).channels == ("$ww:a",)
    new = next_one(dave)
    assert page_window.of_blob(request_of(new), blob).channels == ()


def test_the_check_recommends_the_pk(settings: Settings) -> None:
    (found,) = [message for message in checks.run_checks() if message.id == "instant.W010"]
    assert "INSTANT_USER_ID" in found.msg
    assert '"pk"' in (found.hint or "")
    settings.INSTANT_USER_ID = "pk"
    assert [message for message in checks.run_checks() if message.id == "instant.W010"] == []
