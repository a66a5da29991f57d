"""The server's API beyond publishing, against both servers and odd answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import override_settings

from instant import publish
from instant.access.tokens import channel_token, connection_token
from instant.centrifugo import cent_api
from instant.exceptions import ServerError
from instant.protocol import REVOKED_CODE
from instant.testing import LiveServer
from instant.testing.live_servers import free_port
from tests.clients import SyncClient
from tests.fakes import answer, closed, fake_server, half


class Anybody:
    """As much of a user as a token needs."""

    pk = 7
    is_authenticated = True
    is_active = True

    def get_username(self) -> str:
        return "anybody"


CHANNELS = ["plain", "$users", "chat:1", "$chat:a*b", "a[b]c", "a{b,c}d", "a?b!c", "a\\b", "q\"uo'te"]


@pytest.fixture
def client(server: LiveServer) -> Any:
    with SyncClient(server.websocket_url, connection_token(Anybody())) as client:  # type: ignore[arg-type]
        yield client


def join(client: SyncClient, channel: str) -> None:
    client.join(channel, channel_token(channel, Anybody()))  # type: ignore[arg-type]


def test_subscribers_are_those_of_this_very_channel(client: SyncClient) -> None:
    join(client, "axxb")  # what the pattern a*b would find, too
    join(client, "b")
    for channel in CHANNELS:
        assert cent_api.subscribers(channel) == 0, channel
        join(client, channel)
        assert cent_api.subscribers(channel) == 1, channel
    assert cent_api.subscribers("a*b") == 0


class TestClientsIn:
    @pytest.fixture
    def namespaces(self) -> dict[str, Any]:
        return {"": {"presence": False}, "chat": {}}

    def test_needs_presence(self, client: SyncClient) -> None:
        join(client, "chat:1")
        join(client, "plain")
        found = cent_api.clients_in(["chat:1", "chat:2", "plain", "nowhere:1"])
        assert [each.user for each in found["chat:1"] or []] == ["7"]
        assert found["chat:2"] == []
        assert found["plain"] is found["nowhere:1"] is None


def test_disconnect_ends_the_connections_of_one_user(client: SyncClient) -> None:
    cent_api.disconnect_all([("8", "")])
    join(client, "plain")
    cent_api.disconnect_all([("7", "")])
    client.wait(lambda: ("disconnected", REVOKED_CODE) in client.happened, "to be disconnected")


def test_unsubscribe_takes_each_pair_apart(client: SyncClient) -> None:
    for channel in ("a", "b", "c"):
        join(client, channel)
    cent_api.unsubscribe([("7", "a"), ("8", "b"), ("7", "gone:x"), ("7", "never"), ("7", "c")])
    client.wait(lambda: cent_api.subscribers("c") == 0, "to be out of c")
    assert [cent_api.subscribers(channel) for channel in ("a", "b", "c")] == [0, 1, 0]
    publish("b", "still there")
    client.wait(lambda: "still there" in client.texts(), "for the message")


def test_unsubscribe_of_nobody_asks_nobody() -> None:
    with fake_server(closed) as server:
        cent_api.unsubscribe([])
    assert server.requests == []


def test_unsubscribe_keeps_to_the_size_of_a_batch() -> None:
    def replies(fake: Any, client: Any, request: Any) -> bool:
        return answer({"replies": [{"unsubscribe": {}}] * len(request.json["commands"])})(fake, client, request)

    with fake_server(replies) as server:
        cent_api.unsubscribe((str(number), "c") for number in range(2001))
    assert [len(request.json["commands"]) for request in server.requests] == [1000, 1000, 1]


def test_unsubscribe_tells_an_error_of_one_pair() -> None:
    replies = [{"unsubscribe": {}}, {"error": {"code": 100, "message": "internal"}}]
    with fake_server(answer({"replies": replies})), pytest.raises(ServerError) as caught:
        cent_api.unsubscribe([("7", "a"), ("7", "b")])
    assert (caught.value.code, caught.value.retryable) == (100, True)


def test_the_wrong_key(server: LiveServer) -> None:
    with override_settings(CENTRIFUGO_API_KEY="wrong"), pytest.raises(ServerError, match="API key") as caught:
        cent_api.call("channels", pattern="plain")
    assert (caught.value.code, caught.value.retryable) == (401, False)


def test_a_server_that_is_down() -> None:
    with (
        override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=free_port()),
        pytest.raises(ServerError) as caught,
    ):
        cent_api.call("channels", pattern="plain")
    assert caught.value.retryable
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize(
    ("said", "retryable"),
    [
        (closed, True),
        (half, True),
        (answer(b"", 500), True),
        (answer(b"<html>"), False),
        (answer(b""), False),
        (answer(b"[]"), False),
        (answer(b"null"), False),
        (answer(b"{}"), False),
        (answer({"result": {"channels": 5}}), False),
        (answer({"error": {"code": 100, "message": "internal"}}), True),
        (answer({"error": "no"}), False),
    ],
)
def test_odd_answers_are_errors_of_ours(said: Any, retryable: bool) -> None:
    with fake_server(said), pytest.raises(ServerError) as caught:
        cent_api.call("channels", pattern="plain")
    assert caught.value.retryable is retryable


def test_a_server_that_was_started_again_is_reached(server: LiveServer) -> None:
    assert cent_api.subscribers("plain") == 0
    server.stop()
    server.start()
    assert cent_api.subscribers("plain") == 0


def test_the_escape_is_that_of_the_server() -> None:
    with fake_server(answer({"replies": [{"channels": {"channels": {}}}]})) as server:
        cent_api.subscribers("a*[b]")
    (command,) = json.loads(server.requests[0].body)["commands"]
    assert command["channels"]["pattern"] == r"a\*\[b\]"


def test_the_key_goes_straight_to_the_server_and_nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(server: Any, client: Any, request: Any) -> bool:
        client.sendall(b"HTTP/1.1 302 Found\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
        return True

    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("NO_PROXY", "")
    with fake_server(elsewhere) as server, pytest.raises(ServerError):
        cent_api.call("channels", pattern="news")
    assert [request.path for request in server.requests] == ["/api/channels"]
