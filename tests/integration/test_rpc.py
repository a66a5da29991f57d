"""Calls from the official SDK, over the websockets server, to a Django that serves for real: on every server."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from typing import Any

import centrifuge
import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer as LiveDjango

from instant import publish, publish_to_users, user_channel
from instant.access.tokens import channel_token, connection_token
from instant.centrifugo.config import render
from instant.exceptions import Deny, Disconnect
from instant.pages.filling import fill
from instant.pages.page_state import page_of
from instant.proxies import rate_limits, rpc
from instant.testing import LiveServer
from instant.testing.live_servers import free_port
from instant.windows import WindowInfo, everyone, is_authenticated, signal
from instant.windows.registry import remove
from tests import live_pages
from tests.clients import SyncClient
from tests.features import use_features

pytestmark = pytest.mark.django_db(transaction=True)

#: What the functions were told of who called.
told: list[WindowInfo] = []
#: Ends the slow one.
go_on = threading.Event()


@pytest.fixture(autouse=True)
def signals(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    use_features(monkeypatch, windows=True)
    monkeypatch.setattr(rpc, "calls", rate_limits.Buckets())
    told.clear()
    go_on.clear()

    @signal("rpc.echo", is_allowed_to=is_authenticated)
    def echo(window_info: WindowInfo, value: Any = None) -> Any:
        told.append(window_info)
        return value

    @signal("rpc.open", is_allowed_to=everyone)
    def opened(window_info: WindowInfo) -> str:
        return window_info.username or "a visitor"

    @signal("rpc.slow", is_allowed_to=everyone)
    def slow(window_info: WindowInfo) -> None:
        go_on.wait(60)

    @signal("rpc.deny", is_allowed_to=everyone)
    def deny(window_info: WindowInfo) -> None:
        raise Deny(1234, "not today")

    @signal("rpc.kick", is_allowed_to=everyone)
    def kick(window_info: WindowInfo) -> None:
        raise Disconnect(4501, "go")

    signal("rpc.internal")(told.append)

    @signal("rpc.fail", is_allowed_to=everyone)
    def fail(window_info: WindowInfo) -> None:
        raise ValueError("a secret")

    yield
    for name in ("echo", "open", "slow", "deny", "kick", "fail", "internal"):
        remove(f"rpc.{name}")


@pytest.fixture
def proxy_timeout() -> float:
    """Seconds; a busy machine is no slow function."""
    return 30.0


@pytest.fixture
def server(server_kind: str, live_server: LiveDjango, settings: Settings, proxy_timeout: float) -> Iterator[LiveServer]:
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()
    settings.INSTANT_BACKEND_URL, settings.INSTANT_PROXY_TIMEOUT = live_server.url, proxy_timeout
    running = LiveServer("dev" if server_kind == "dev" else "centrifugo", render())
    running.start()
    yield running
    running.stop()


@pytest.fixture
def alice(server: LiveServer) -> User:
    return User.objects.create_user("alice", password="pw")


@pytest.fixture
def browser(alice: User) -> Client:
    client = Client()
    client.force_login(alice)
    return client


@pytest.fixture
def page(alice: User, browser: Client) -> dict[str, Any]:
    """The credentials of a page of Alice's."""
    request = RequestFactory().get("/page/")
    request.user, request.session = alice, browser.session
    page_of(request).fills = True
    html = fill(request, HttpResponse(live_pages.render(request))).content.decode()
    found: dict[str, Any] = live_pages.credentials(html)
    return found


def call(client: SyncClient, method: str, data: Any = None) -> Any:
    return client.run(client.client.rpc(method, data if data is not None else {})).data


def refused(client: SyncClient, method: str, data: Any = None) -> tuple[int, str, bool]:
    with pytest.raises(centrifuge.ReplyError) as caught:
        call(client, method, data)
    return caught.value.code, caught.value.message, caught.value.temporary


def test_a_call_and_its_answer(page: dict[str, Any], alice: User, server: LiveServer) -> None:
    with SyncClient(server.websocket_url, page["ws_token"]) as client:
        for value in (None, 1, "<é☃>", [1, {"a": None}], "<" * 50_000):
            assert call(client, "rpc.echo", {"value": value}) == {"value": value}
    info = told[0]
    assert (info.user, info.username) == (alice, "alice")
    assert len(info.window_key) == len(info.session) == 32
    assert "websockets" in info.user_agent  # the SDK's, not the server's


def test_what_is_refused(alice: User, server: LiveServer) -> None:
    with SyncClient(server.websocket_url, connection_token(alice)) as client:
        assert refused(client, "rpc.nothing")[0::2] == (404, False)
        for data in (None, {"unknown": 1}, [1]):
            assert refused(client, "rpc.internal", data) == refused(client, "rpc.nothing", data)
        assert told == []
        assert refused(client, "")[0::2] == (404, False)
        assert refused(client, "other:name") == (104, "method not found", False)
        assert refused(client, "rpc.deny") == (1234, "not today", False)
        assert refused(client, "rpc.fail") == (500, "internal error", False)
        assert refused(client, "rpc.echo", [1])[0::2] == (400, False)
        assert refused(client, "rpc.echo", {"unknown": 1})[0::2] == (400, False)
        assert call(client, "rpc.open") == {"value": "alice"}


@pytest.mark.parametrize("change", ["deleted", "renamed"])
def test_a_saved_token_is_not_the_next_users_of_the_name(
    change: str, alice: User, server: LiveServer, settings: Settings
) -> None:
    settings.INSTANT_USER_ID = "username"
    token, channel = connection_token(alice), user_channel(alice)
    joining = channel_token(channel, alice)
    with SyncClient(server.websocket_url, token) as client:
        assert call(client, "rpc.open") == {"value": "alice"}
    if change == "deleted":
        alice.delete()
    else:
        User.objects.filter(pk=alice.pk).update(username="alice2")
    new = User.objects.create_user("alice", is_staff=True)
    with SyncClient(server.websocket_url, token) as client:
        assert refused(client, "rpc.open") == (403, "this account is not active", False)
        client.join(channel, joining)
        publish_to_users([new], "for the new user only")
        publish(channel, "last", wait=True)
        client.wait(lambda: bool(client.received), "for the last message")
        assert client.texts() == ["last"]
    with SyncClient(server.websocket_url, connection_token(new)) as client:
        assert call(client, "rpc.open") == {"value": "alice"}


@pytest.mark.parametrize("proxy_timeout", [3.0])
def test_a_slow_function_is_an_error_after_the_timeout_and_holds_up_no_other(
    alice: User, server: LiveServer, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        with SyncClient(server.websocket_url, connection_token(alice)) as client:
            task = asyncio.run_coroutine_threadsafe(client.client.rpc("rpc.slow", {}), client.loop)
            assert call(client, "rpc.open") == {"value": "alice"}
            assert not task.done()
            with pytest.raises(centrifuge.ReplyError) as caught:
                task.result(60)
            assert (caught.value.code, caught.value.temporary) == (100, True)
            assert call(client, "rpc.open") == {"value": "alice"}  # the slow one still runs
    finally:
        go_on.set()


def test_a_function_closes_the_connection(alice: User, server: LiveServer) -> None:
    with SyncClient(server.websocket_url, connection_token(alice)) as client:
        asyncio.run_coroutine_threadsafe(client.client.rpc("rpc.kick", {}), client.loop).exception(10)
        assert client.wait_for("disconnected") == 4501


def test_the_window_is_the_same_after_the_token_is_renewed(
    page: dict[str, Any], browser: Client, server: LiveServer
) -> None:
    with SyncClient(server.websocket_url, page["ws_token"]) as client:
        call(client, "rpc.echo")
    body = json.dumps({"window": page["window"]})
    again = browser.post("/instant/get_token/", body, content_type="application/json").json()
    with SyncClient(server.websocket_url, again["ws_token"]) as client:
        call(client, "rpc.echo")
    first, second = told
    assert first.window_key == second.window_key != ""
    assert first.session == second.session != ""


def test_who_is_no_longer_active_calls_nothing(alice: User, server: LiveServer) -> None:
    with SyncClient(server.websocket_url, connection_token(alice)) as client:
        User.objects.filter(pk=alice.pk).update(is_active=False)  # without a signal, so that nobody is disconnected
        assert refused(client, "rpc.open")[0] == 403


def test_too_many_calls(alice: User, server: LiveServer, settings: Settings) -> None:
    settings.INSTANT_RPC_RATE = "3/60s"
    with SyncClient(server.websocket_url, connection_token(alice)) as client:
        assert [call(client, "rpc.open") for _ in range(3)] == [{"value": "alice"}] * 3
        assert refused(client, "rpc.open") == (429, "too many calls; the limit is 3/60s", False)


def test_a_server_of_other_settings_is_not_heard(alice: User, server: LiveServer, settings: Settings) -> None:
    with SyncClient(server.websocket_url, connection_token(alice)) as client:
        settings.INSTANT_PROXY_SECRET = "another"
        assert refused(client, "rpc.open")[0::2] == (100, True)
