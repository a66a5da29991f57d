"""The thread's own: on both servers; the rest is in test_queueing.py."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import override_settings
from pytest_django import Settings

from instant import flush, publish, publish_many
from instant.backends import BaseBackend, get_backend
from instant.backends.queueing import QueueingBackend
from instant.messages import Message
from instant.protocol import MAX_BATCH_BYTES
from instant.testing import LiveServer
from tests.fakes import FakeServer, Request, accepted, answer, closed, fake_server
from tests.waiting import PATIENCE

from .common import BackendContract
from .conftest import texts
from .test_python import history


@pytest.fixture
def namespaces() -> dict[str, Any]:
    return {"": {"history_size": 30_000}, "chat": {}}


class TestThread(BackendContract):
    name = "thread"

    @pytest.fixture
    def backend(self, server: LiveServer, settings: Settings) -> Iterator[BaseBackend]:
        settings.INSTANT_BROADCAST_WITH = "thread"
        yield get_backend()
        assert flush(10)

    def sent(self, channel: str) -> list[dict[str, Any]]:
        assert flush(20)
        return history(channel)

    def test_an_answer_tells_the_place_in_the_history(self, backend: BaseBackend) -> None:
        messages = [Message("public", str(number)) for number in range(3)]
        assert [receipt.offset for receipt in backend.send(messages, wait=True)] == [1, 2, 3]
        assert [receipt.offset for receipt in backend.send([Message("public", "4")], wait=True)] == [4]

    def test_an_outage_is_waited_out(self, backend: BaseBackend, server: LiveServer) -> None:
        server.stop()
        for number in range(100):
            publish("public", str(number))
        assert not flush(0.2)
        server.start()
        assert self.texts("public") == [str(number) for number in range(100)]

    def test_an_unknown_namespace_is_logged(self, backend: BaseBackend, caplog: pytest.LogCaptureFixture) -> None:
        with override_settings(INSTANT_NAMESPACES={"": {}, "chat": {}, "late": {}}):
            publish_many([{"channel": "late:b", "message": "1"}, {"channel": "chat:a", "message": "2"}])
        assert self.texts("chat:a") == ["2"]
        assert "publish to 'late:b' with the thread backend failed: the server answered 102" in caplog.text


@pytest.fixture
def thread(settings: Settings) -> QueueingBackend:
    settings.INSTANT_BROADCAST_WITH = "thread"
    backend = get_backend()
    assert isinstance(backend, QueueingBackend)
    return backend


def test_order_is_kept_where_a_request_fails(thread: QueueingBackend) -> None:
    """What was behind a request that failed must not overtake it."""
    size = MAX_BATCH_BYTES // 3
    with fake_server(answer(b"", 503), answer(b"", 500), closed, closed, closed, answer(b"", 502)) as server:
        server.answers.append(accepted)
        publish_many([{"channel": "public", "message": f"{number} " + "x" * size} for number in range(6)])
        assert flush(20)
        taken = [text.split()[0] for text in dict.fromkeys(texts(server, "public"))]
    assert taken == [str(number) for number in range(6)]
    assert thread.figures().retried > 0


def test_an_internal_error_is_tried_again_for_its_message(thread: QueueingBackend) -> None:
    internal = {"error": {"code": 100, "message": "internal server error"}}
    replies = answer({"replies": [{"publish": {}}, internal, {"publish": {}}]})
    with fake_server(replies) as server:
        server.answers.append(accepted)
        assert thread.send([Message("public", text) for text in "abc"], wait=True)[1].error is None
        assert texts(server, "public") == ["a", "b", "c", "b"]


def test_an_answer_that_does_not_fit_is_tried_again(thread: QueueingBackend) -> None:
    with fake_server(answer({"replies": [{"publish": {}}]})) as server:
        server.answers.append(accepted)
        receipts = thread.send([Message("public", text) for text in "ab"], wait=True)
    assert [receipt.error for receipt in receipts] == [None, None]


def test_one_message_for_many_channels_is_one_broadcast(thread: QueueingBackend) -> None:
    channels = [f"c{number}" for number in range(3)]
    refused = {"error": {"code": 102, "message": "unknown channel"}}
    responses = [{"result": {"offset": 5}}, refused, {"result": {}}]
    one, for_all = Message("single", "1"), Message("c0", "2")
    with fake_server(answer({"replies": [{"publish": {}}, {"broadcast": {"responses": responses}}]})) as server:
        receipts = thread.send([one, *[for_all.to(channel) for channel in channels]], wait=True)
    (request,) = [request.json for request in server.requests]
    assert [list(command) for command in request["commands"]] == [["publish"], ["broadcast"]]
    assert request["commands"][1]["broadcast"]["channels"] == channels
    assert [receipt.offset for receipt in receipts] == [0, 5, 0, 0]
    assert [getattr(receipt.error, "code", None) for receipt in receipts] == [None, None, 102, None]


def test_the_next_request_is_written_while_the_server_works(thread: QueueingBackend) -> None:
    """And what came meanwhile goes along; a request that fails then goes again before it."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(server: FakeServer, client: socket.socket, request: Request) -> bool:
        begun.set()
        go_on.wait(PATIENCE)
        return answer(b"", 503)(server, client, request)

    with fake_server(slow) as server:
        server.answers.append(accepted)
        publish("public", "1")
        assert begun.wait(PATIENCE)
        for number in range(2, 5):
            publish("public", str(number))
        go_on.set()
        assert flush(20)
        assert list(dict.fromkeys(texts(server, "public"))) == ["1", "2", "3", "4"]
    assert [request.path for request in server.requests][-1] == "/api/batch"
