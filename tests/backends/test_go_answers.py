"""What a publisher may answer, or not, by a fake one that does as it is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from pytest_django import Settings

from instant import flush, publish, publish_many
from instant.backends import get_backend
from instant.backends import go as go_module
from instant.backends.queueing import QueueingBackend
from instant.exceptions import PublishManyError, Rejected, Unreachable
from instant.messages import Message
from instant.testing.live_servers import free_port

from . import scripts
from .fake_publisher import FakePublisher, Session


@pytest.fixture
def backend(go: Path, settings: Settings) -> Iterator[QueueingBackend]:
    settings.INSTANT_BROADCAST_WITH = "go"
    backend = get_backend()
    assert isinstance(backend, QueueingBackend)
    yield backend
    flush(10)


def all_taken(session: Session) -> None:
    while True:
        (number,) = session.read(1)
        session.take((number, number))


def test_answers_in_any_order(go: Path, backend: QueueingBackend) -> None:
    def behaviour(session: Session) -> None:
        first, *_, fifth = session.read(5)
        session.refuse(fifth, 0, "no answer: grüße", retryable=True)
        session.take((first + 2, first + 3), (first, first))
        session.take((99, 99))
        session.refuse(first + 1, 102, "unknown channel")
        all_taken(session)

    with FakePublisher(go, behaviour):
        with pytest.raises(PublishManyError) as caught:
            publish_many([{"channel": f"c{n}", "message": str(n)} for n in range(5)], wait=True, timeout=10)
        assert flush(5)
    (first, rejected), (second, unreachable) = caught.value.failed
    assert (first, second, caught.value.sent) == (1, 4, [0, 2, 3])
    assert isinstance(rejected, Rejected)
    assert (rejected.code, rejected.reason, rejected.retryable) == (102, "unknown channel", False)
    assert isinstance(unreachable, Unreachable)
    assert (unreachable.reason, unreachable.retryable) == ("no answer: grüße", True)


def test_what_has_no_answer_goes_to_the_next_one_in_order(go: Path, backend: QueueingBackend) -> None:
    def dies(session: Session) -> None:
        numbers = session.read(10)
        session.take((numbers[0], numbers[3]))

    with FakePublisher(go, dies, dies, all_taken) as fake:
        publish_many([{"channel": "public", "message": str(n)} for n in range(30)])
        assert flush(10)
    sent = [str(n) for n in range(30)]
    assert [texts[:10] for texts in fake.texts] == [sent[:10], sent[4:14], sent[8:18]]
    assert fake.texts[2] == sent[8:]
    assert backend.figures().retried > 0


def test_a_message_that_kills_each_publisher_is_given_up(go: Path, backend: QueueingBackend) -> None:
    with (
        FakePublisher(go, lambda session: session.read(1) and None),
        pytest.raises(Unreachable, match=f"{go_module.MAX_DEATHS} publishers ended without an answer"),
    ):
        publish("public", "poison", wait=True, timeout=20)


def test_a_publisher_that_closes_is_followed_by_another(
    go: Path, backend: QueueingBackend, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "instant")
    with FakePublisher(go, lambda session: session.say(b"X", b"stopping"), all_taken) as fake:
        publish("public", "1", wait=True, timeout=10)
    assert fake.texts[-1] == ["1"]
    assert "closes the connection: stopping" in caplog.text


def test_a_full_publisher_makes_the_queue_and_then_the_caller_wait(
    go: Path, backend: QueueingBackend, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.INSTANT_QUEUE_SIZE = 3000
    monkeypatch.setattr(backend._queue(), "limit", 3000)
    reading = threading.Event()

    def full(session: Session) -> None:
        reading.wait(20)
        all_taken(session)

    with FakePublisher(go, full):
        with pytest.raises(PublishManyError, match="the queue is full: 3000 messages") as caught:
            publish_many([{"channel": "public", "message": "x" * 500}] * 4000, timeout=0.2)
        assert len(caught.value.sent) == 3000
        reading.set()
        assert flush(20)


def test_with_the_server_away_one_process_ends_silently_and_another_one_gets_an_error(
    go: Path, backend: QueueingBackend, caplog: pytest.LogCaptureFixture
) -> None:
    with override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=free_port(), INSTANT_GO_RETRY_FOR=2.0):
        assert scripts.run("publish('public', 'hi')") == ""
        assert [receipt.error for receipt in backend.send([Message("$mine", "1")])] == [None]
        assert flush(10)
    assert "publish to '$mine' with the go backend failed: " in caplog.text
    assert "refused this process" not in caplog.text
