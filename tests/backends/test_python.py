"""The HTTP backend, against both servers; what no server can be made to do is in tests/centrifugo/test_http.py."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from django.test import override_settings

from instant import apublish_many, publish, publish_many
from instant.backends import BaseBackend, get_backend
from instant.centrifugo import http
from instant.exceptions import PublishManyError, Rejected
from instant.messages import Message
from instant.protocol import MAX_BATCH_BYTES, MAX_BATCH_COMMANDS
from instant.testing import LiveServer
from tests.fakes import accepted, answer, closed, fake_server, half
from tests.waiting import PATIENCE

from .common import BackendContract


def history(channel: str) -> list[dict[str, Any]]:
    body = json.dumps({"channel": channel, "limit": -1}).encode()
    return [publication["data"] for publication in http.post("history", body, PATIENCE)["result"]["publications"]]


@pytest.fixture
def namespaces() -> dict[str, Any]:
    return {"": {"history_size": 5000}, "chat": {}}


class TestPython(BackendContract):
    name = "python"

    @pytest.fixture
    def backend(self, server: LiveServer) -> BaseBackend:
        return get_backend()

    def sent(self, channel: str) -> list[dict[str, Any]]:
        return history(channel)

    def test_a_receipt_tells_the_place_in_the_history(self, backend: BaseBackend) -> None:
        receipts = backend.send([Message("public", "1"), Message("public", "2")]) + backend.send(
            [Message("public", "3")]
        )
        assert [receipt.offset for receipt in receipts] == [1, 2, 3]
        assert len({receipt.epoch for receipt in receipts}) == 1
        assert receipts[0].epoch

    def test_a_repeated_uid_is_taken_once(self, backend: BaseBackend) -> None:
        message = Message("public", "once")
        for batch in ([message], [message], [message, message]):
            assert {receipt.offset for receipt in backend.send(batch)} == {1}
        assert self.texts("public") == ["once"]

    def test_more_than_one_request_holds_its_order(self, backend: BaseBackend) -> None:
        texts = [str(number) for number in range(2 * MAX_BATCH_COMMANDS + 1)]
        publish_many([{"channel": "public", "message": text} for text in texts])
        assert self.texts("public") == texts

    def test_an_unknown_namespace_fails_alone(self, backend: BaseBackend) -> None:
        items = [{"channel": "chat:a", "message": "1"}, {"channel": "late:b", "message": "2"}]
        items.append({"channel": "chat:a", "message": "3"})
        with (
            override_settings(INSTANT_NAMESPACES={"": {}, "chat": {}, "late": {}}),
            pytest.raises(PublishManyError, match="namespace") as caught,
        ):
            publish_many(items)
        ((index, error),) = caught.value.failed
        assert (index, caught.value.sent) == (1, [0, 2])
        assert isinstance(error, Rejected)
        assert (error.code, error.channel, error.retryable) == (102, "late:b", False)
        assert self.texts("chat:a") == ["1", "3"]

    async def test_an_unknown_namespace_fails_alone_async(self, backend: BaseBackend) -> None:
        items = [{"channel": "late:b", "message": "2"}, {"channel": "chat:a", "message": "3"}]
        with override_settings(INSTANT_NAMESPACES={"": {}, "chat": {}, "late": {}}):
            error = await apublish_many(items, fail_silently=True)
        assert isinstance(error, PublishManyError)
        assert error.sent == [1]
        assert [(index, type(part)) for index, part in error.failed] == [(0, Rejected)]

    def test_a_single_one_is_rejected_with_the_code(self, backend: BaseBackend) -> None:
        with (
            override_settings(INSTANT_NAMESPACES={"": {}, "late": {}}),
            pytest.raises(Rejected, match="102 unknown channel: it does not know") as caught,
        ):
            publish("late:b", "2")
        assert caught.value.code == 102

    def test_the_wrong_key_is_rejected_with_what_to_do(self, backend: BaseBackend) -> None:
        with (
            override_settings(CENTRIFUGO_API_KEY="wrong"),
            pytest.raises(Rejected, match="started with other settings") as caught,
        ):
            publish("public", "hi")
        assert (caught.value.code, caught.value.retryable) == (401, False)
        publish("public", "with the right one")  # the connection is still good

    def test_a_string_payload_is_a_string_on_the_server(self, backend: BaseBackend) -> None:
        with override_settings(INSTANT_PAYLOAD="string"):
            publish("public", "hi")
        (text,) = history("public")
        assert json.loads(text)["channel"] == "public"


def test_requests_keep_to_the_limits() -> None:
    """The limit of bytes is that of the body, commands and all."""
    texts = ["x" * size for size in [10] * 2500 + [5000] * 300 + [600_000, 10, 500_000, 25_000]]
    with fake_server() as server:
        publish_many([{"channel": "c" * 255, "message": text} for text in texts])
    assert [key for request in server.requests for key in request.keys]
    sizes = [(len(request.keys), len(request.body)) for request in server.requests]
    assert sum(commands for commands, _ in sizes) == len(texts)
    assert max(commands for commands, _ in sizes) == MAX_BATCH_COMMANDS
    for commands, size in sizes:
        assert size <= MAX_BATCH_BYTES or commands == 1
    assert len(sizes) <= 12  # and they are filled: 255-byte names make 0.4 kB of each small one


def test_one_connection_serves_all() -> None:
    with fake_server() as server:
        for number in range(50):
            publish("public", str(number))
        publish_many([{"channel": "public", "message": "a"}, {"channel": "public", "message": "b"}])
    assert {request.connection for request in server.requests} == {0}


def test_a_single_message_is_a_publish_and_many_a_batch() -> None:
    with fake_server() as server:
        publish("public", "1")
        publish_many([{"channel": "public", "message": "1"}])
        publish_many([{"channel": "public", "message": "1"}, {"channel": "public", "message": "2"}])
    assert [request.path for request in server.requests] == ["/api/publish", "/api/publish", "/api/batch"]
    assert all(request.headers["x-api-key"] for request in server.requests)


INTERNAL = answer({"error": {"code": 100, "message": "internal"}})


@pytest.mark.parametrize(
    "lost", [closed, half, INTERNAL, answer({"replies": []}, keep=False)], ids=["closed", "half", "100", "restart"]
)
def test_a_batch_that_is_lost_comes_again_before_the_next(lost: Any) -> None:
    """The next one is written by then; it must wait."""
    texts = [str(number) for number in range(3 * MAX_BATCH_COMMANDS)]
    with fake_server(accepted, lost, accepted) as server:
        error = publish_many([{"channel": "c", "message": text} for text in texts], timeout=10, fail_silently=True)
    sent = [[each["publish"]["data"]["message"] for each in request.json["commands"]] for request in server.requests]
    first, second, third = (texts[start : start + MAX_BATCH_COMMANDS] for start in (0, 1000, 2000))
    if error is None:
        assert sent == [first, second, second, third]
    else:  # it was answered, with too little
        assert sent == [first, second, third]


def test_each_receipt_is_that_of_its_message() -> None:
    messages = [Message("c", str(number)) for number in range(2 * MAX_BATCH_COMMANDS + 1)]
    with fake_server():
        receipts = get_backend().send(messages)
    assert [receipt.message for receipt in receipts] == messages
    assert [receipt.epoch for receipt in receipts] == [message.uid for message in messages]


def test_the_next_request_is_not_sent_before_the_answer() -> None:
    said: list[str] = []

    def slow(server: Any, client: Any, request: Any) -> bool:
        said.append("asked")
        time.sleep(0.05)
        said.append("answered")
        return accepted(server, client, request)

    with fake_server(slow):
        publish_many([{"channel": "c", "message": "x"}] * (2 * MAX_BATCH_COMMANDS + 1))
    assert said == ["asked", "answered"] * 3


def test_broadcasts_keep_to_the_limits_too() -> None:
    """One message for many channels is cut like others, and stands among them in a batch."""
    names = [f'{number:04}"{"n" * 245}' for number in range(2500)]
    items: list[dict[str, Any]] = [{"channel": "a", "message": "1"}, {"channels": names, "message": "2"}]
    with fake_server(answer(b"", 503)) as server:
        publish_many([*items, {"channel": "z", "message": "3"}], fail_silently=True)
    seen: list[str] = []
    for request in server.requests:
        assert len(request.body) <= MAX_BATCH_BYTES
        body = request.json
        for command in body.get("commands") or [{"any": body}]:
            (content,) = command.values()
            seen += content.get("channels") or [content["channel"]]
    assert seen == ["a", *names, "z"]
    assert len(server.requests) == 3
