"""Sockets through a server: the devserver and Centrifugo, the official SDK as the client."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from instant.access.client_credentials import credentials
from instant.access.session_binding import bound_meta
from instant.access.tokens import channel_token, channel_token_for
from instant.centrifugo import http as api
from instant.channels.rules import add, faults, remove
from instant.exceptions import InvalidChannel
from instant.testing import LiveServer
from tests.waiting import until

from . import handlers
from .clients import SocketClient
from .running import RunningWorker


def refusal(client: SocketClient, name: str, data: Any = None) -> int:
    with pytest.raises(AssertionError):
        client.open(name, data)
    event, code = next((event, code) for event, code in reversed(client.happened) if event.startswith("unsub"))
    assert event.startswith(f"unsubscribed ws:{name}:")
    return code


def test_the_random_counter_of_django_ws(live: LiveServer, worker: RunningWorker, ann: User) -> None:
    with SocketClient(live.websocket_url, ann) as client:
        client.open("")  # which is "default"
        client.send("First msg", "another")
        first, second = client.messages(2)
        assert 0 <= int(first) <= 100
        assert 0 <= int(second) <= 100


def test_an_echo(client: SocketClient) -> None:
    client.open("echo")
    client.send("one", {"two": [2]}, None)
    assert client.messages(3) == ["one", {"two": [2]}, None]


@pytest.mark.parametrize("name", ["echo", "asyncecho"])
def test_an_integer_that_a_browser_would_round_is_text(client: SocketClient, name: str) -> None:
    client.open(name)
    client.send(2**60, {"pk": [-(2**60), 2**53]}, 2**53 - 1)
    assert client.messages(3) == [str(2**60), {"pk": [str(-(2**60)), str(2**53)]}, 2**53 - 1]


@pytest.mark.parametrize("name", ["echo", "asyncecho"])
def test_three_thousand_messages_at_once_stay_in_order(client: SocketClient, name: str) -> None:
    client.open(name)
    client.send(*range(3000))
    assert client.messages(3000) == list(range(3000))


def test_two_sockets_of_one_page_are_two(client: SocketClient, told: list[Any]) -> None:
    first = client.open("story")
    client.send("one", "two")
    second = client.open("story")
    client.send("count")
    assert client.messages(1) == [1]
    assert first != second
    assert len([event for event in told if event[0] == "connect"]) == 2


def test_what_a_handler_knows(live: LiveServer, worker: RunningWorker, ann: User) -> None:
    with SocketClient(live.websocket_url, ann) as client:
        client.open("story", {"room": 1})
        client.send("who", "info")
        assert client.messages(1)[0] == {"user": "ann", "data": {"room": 1}, "name": "story"}
        transport, channel, meta, headers = client.messages(2)[1]
        assert (transport, channel, meta) == ("centrifugo", ["ws", "story"], bound_meta(ann, rights=""))
        assert set(headers) <= {"user-agent", "accept-language"}


def test_what_django_signed_into_the_token(live: LiveServer, worker: RunningWorker, ann: User) -> None:
    with SocketClient(live.websocket_url, ann, bound_meta(ann, "s1", "w1")) as client:
        client.open("story")
        client.send("info")
        assert client.messages(1)[0][2] == bound_meta(ann, "s1", "w1")


def test_who_is_refused(client: SocketClient, told: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    assert refusal(client, "nowhere") == 404
    assert refusal(client, "members") == 403
    assert refusal(client, "broken") == 500
    assert "refused the socket 'broken'" in caplog.text
    client.data = {"v": 2}
    with pytest.raises(AssertionError):
        client.join("ws:story:1")
    assert client.wait_for("unsubscribed ws:story:1") == 400
    assert told == []
    client.open("echo")  # the connection lives


def test_a_user_who_may_and_one_who_may_not(live: LiveServer, worker: RunningWorker, ann: User) -> None:
    with SocketClient(live.websocket_url, ann) as client:
        client.open("members")
        client.send("who am I")
        assert client.messages(1) == ["ann"]
        assert refusal(client, "adders") == 403
        assert refusal(client, "chosen") == 403
        client.open("chosen", "let me in")
        User.objects.update(is_active=False)
        assert refusal(client, "members") == 403


def test_a_cap_on_open_sockets(
    client: SocketClient, worker: RunningWorker, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.INSTANT_SOCKETS_LIMIT = 2
    client.open("echo")
    client.open("echo")
    assert refusal(client, "echo") == 503
    client.leave_all()
    until(lambda: len(worker) == 0)
    client.open("echo")


@pytest.mark.parametrize(
    ("message", "closing"),
    [("close", [4001, "as you wish"]), ("fail", [4500, "internal error"]), ("close and fail", [4001, "as you wish"])],
)
def test_the_last_envelope_says_why(client: SocketClient, told: list[Any], message: str, closing: list[Any]) -> None:
    client.open("story")
    client.send(message)
    assert client.closed() == closing
    until(lambda: "close" in dict(told))
    assert [event for event, _ in told] == ["connect", "open", "message", "close"]


def test_on_connect_may_fail(client: SocketClient, told: list[Any], caplog: pytest.LogCaptureFixture) -> None:
    client.begin_anew("story", "fail")
    assert client.closed() == [4500, "internal error"]
    until(lambda: "on_close of" in caplog.text)
    assert [event for event, _ in told] == ["connect", "close"]
    client.open("echo")
    client.send("alive")
    assert client.messages(1) == ["alive"]


@pytest.mark.parametrize("envelope", [{}, {"n": 0}, "text", {"n": "0", "m": 1}])
def test_what_is_no_envelope(client: SocketClient, envelope: Any) -> None:
    client.open("story")
    client.send_raw(envelope)
    assert client.closed() == [4400, "bad message"]


def test_a_gap(client: SocketClient, monkeypatch: pytest.MonkeyPatch, told: list[Any]) -> None:
    monkeypatch.setattr("instant.sockets.message_order.PATIENCE", 0.2)
    client.open("story")
    client.send("first")
    client.send_raw({"n": 2, "m": "third"})
    assert client.closed() == [4502, "gap"]
    until(lambda: "close" in dict(told))
    assert ("message", "third") not in told


def test_too_many_messages_unread(client: SocketClient, monkeypatch: pytest.MonkeyPatch, told: list[Any]) -> None:
    monkeypatch.setattr("instant.sockets.connection.MOST_UNREAD", 10)
    client.open("story")
    client.send("slow")
    until(lambda: ("message", "slow") in told)
    client.send_quietly(*range(20))
    assert client.closed() == [4503, "too many messages unread"]
    handlers.release.set()
    until(lambda: "close" in dict(told))
    assert len(told) == 4


def test_a_sender_is_notified_why_it_ended(client: SocketClient) -> None:
    for _ in range(10):
        client.open("story")
        client.send_quietly("close", *range(50))
        assert client.closed() == [4001, "as you wish"]


def test_what_was_sent_before_closing_is_handled(client: SocketClient, told: list[Any]) -> None:
    for _ in range(10):
        told.clear()
        client.open("story")
        client.send_and_close(*["count"] * 50)
        assert client.closed() == [1000, ""]
        until(lambda: "close" in dict(told))
        assert len([event for event, _ in told if event == "message"]) == 50


def test_one_who_leaves(client: SocketClient, told: list[Any]) -> None:
    client.open("ticking")
    client.messages(3)
    client.leave()
    until(lambda: bool(told))  # its thread has heard of it
    assert told[0][0] == "stopped"


def test_a_token_lets_nobody_past_the_handler(
    live: LiveServer, worker: RunningWorker, told: list[Any], db: None
) -> None:
    """Django signs none; one that somebody forged with the key would join an ordinary channel, and reach nobody."""
    user = User(pk=1, username="ann")
    with pytest.raises(InvalidChannel):
        channel_token("ws:story:1", user)
    add("ws:<name>", lambda user, name: True)
    try:
        assert [fault.check_id for fault in faults()] == ["instant.E030"]
    finally:
        remove("ws:<name>")
    given = credentials(user, ["ws:story:1"])
    assert (given["channels"], [each["name"] for each in given["refused"]]) == ([], ["ws:story:1"])
    with SocketClient(live.websocket_url) as client:
        client.data = {"v": 1}
        client.join("ws:story:1", channel_token_for("", "ws:story:1"))
        assert told == []


def test_an_api_publish_reaches_them_as_any_channel(client: SocketClient) -> None:
    channel = client.open("echo")
    api.post("publish", b'{"channel":"%b","data":{"m":"from outside"}}' % channel.encode(), None)
    assert client.messages(1) == ["from outside"]


def test_a_server_with_another_secret(
    client: SocketClient, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.INSTANT_PROXY_SECRET = "another"
    client.run(client.begin("ws:echo:1"))
    client.wait(lambda: ("error", 100) in client.happened, "for error 100")
    assert "with a wrong secret" in caplog.text


@pytest.mark.parametrize("event", ["deactivated", "logged out"])
def test_a_user_who_loses_access_loses_the_socket(
    live: LiveServer, worker: RunningWorker, ann: User, told: list[Any], event: str
) -> None:
    with SocketClient(live.websocket_url, ann) as client:
        client.open("story")
        until(lambda: len(worker) == 1)
        if event == "deactivated":
            ann.is_active = False
            ann.save()
        else:
            browser = Client()
            browser.force_login(ann)
            browser.post("/instant/logout/")
        client.wait_for("disconnected")
        until(lambda: len(worker) == 0)
    assert [event for event, _ in told] == ["connect", "close"]
