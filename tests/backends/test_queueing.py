"""What "thread" and "go" have in common, with a server that counts, or waits, as it is told."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
import time

import pytest
from django.test import override_settings
from pytest_django import Settings

from instant import apublish, flush, publish, publish_many
from instant.backends import send_queue, thread
from instant.backends.queueing import QueueingBackend
from instant.exceptions import PublishManyError, Rejected, Unreachable
from instant.messages import Message
from instant.testing.live_servers import free_port
from tests.fakes import FakeServer, Request, answer, fake_server
from tests.test_process_state import forked

from .conftest import Gate, texts


@pytest.fixture
def small(
    gated: FakeServer, settings: Settings, queueing: QueueingBackend, monkeypatch: pytest.MonkeyPatch
) -> QueueingBackend:
    """A backend whose queue has room for ten messages."""
    settings.INSTANT_QUEUE_SIZE = 10
    monkeypatch.setattr(queueing._queue(), "limit", 10)
    return queueing


def test_each_thread_keeps_its_order(fake: FakeServer, queueing: QueueingBackend) -> None:
    def work(name: int) -> None:
        for number in range(500):
            publish(f"thread{name}", str(number))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(8)]
    for worker in threads:
        worker.start()
    for worker in threads:
        worker.join()
    assert flush(20)
    for name in range(8):
        assert texts(fake, f"thread{name}") == [str(number) for number in range(500)]
    assert len(fake.requests) < 4000  # in batches


def test_figures_show_what_became_of_them(fake: FakeServer, queueing: QueueingBackend) -> None:
    before = queueing.figures()
    for number in range(100):
        publish("public", str(number))
    assert flush(10)
    after = queueing.figures()
    assert (after.sent - before.sent, after.failed - before.failed, after.queued) == (100, 0, 0)
    assert after.batches > before.batches


# forks


def test_parent_and_child_send_their_own(fake: FakeServer, queueing: QueueingBackend) -> None:
    def work(name: str) -> bool:
        for number in range(300):
            publish(name, str(number))
        return flush(20)

    assert work("before")
    assert forked(lambda: work("child"), lambda: work("parent")) == "True"
    for name in ("before", "child", "parent"):
        assert texts(fake, name) == [str(number) for number in range(300)]


def test_a_full_queue_is_not_the_childs(gated: FakeServer, gate: Gate, queueing: QueueingBackend) -> None:
    for number in range(500):
        publish("parent", str(number))

    def work() -> tuple[int, bool]:
        publish("child", "mine")
        return queueing.figures().queued, flush(20)

    assert forked(work, gate.opened.set) == "(1, True)"
    assert flush(20)
    assert texts(gated, "parent") == [str(number) for number in range(500)]
    assert texts(gated, "child") == ["mine"]


# a full queue


def test_a_full_queue_waits_and_then_fails(small: QueueingBackend) -> None:
    for number in range(10):
        publish("public", str(number), timeout=10)
    with pytest.raises(Unreachable, match=r"queue is full: 10 messages have no result yet .* for 0\.1") as caught:
        publish("$late", "11", timeout=0.1)
    assert (caught.value.channel, caught.value.backend, caught.value.retryable) == ("$late", small.name, True)


def test_a_full_queue_waits_until_there_is_room(gate: Gate, gated: FakeServer, small: QueueingBackend) -> None:
    threading.Timer(0.2, gate.opened.set).start()
    publish_many([{"channel": "public", "message": str(number)} for number in range(50)], timeout=20)
    assert flush(10)
    assert texts(gated, "public") == [str(number) for number in range(50)]


def test_what_finds_no_room_is_reported_separately(gate: Gate, gated: FakeServer, small: QueueingBackend) -> None:
    with pytest.raises(PublishManyError) as caught:
        publish_many([{"channel": "public", "message": str(number)} for number in range(15)], timeout=0.1)
    assert caught.value.sent == list(range(10))
    gate.opened.set()
    assert flush(10)
    assert texts(gated, "public") == [str(number) for number in range(10)]


async def test_a_full_queue_does_not_stop_the_event_loop(gate: Gate, gated: FakeServer, small: QueueingBackend) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while ticks < 5:
            await asyncio.sleep(0.01)
            ticks += 1
        gate.opened.set()

    publishing = [apublish("public", str(number), timeout=20) for number in range(30)]
    assert set(await asyncio.gather(tick(), *publishing)) == {None}
    assert ticks == 5
    assert flush(10)
    assert sorted(texts(gated, "public"), key=int) == [str(number) for number in range(30)]


async def test_a_full_queue_fails_async_too(small: QueueingBackend) -> None:
    found = await asyncio.gather(
        *[apublish("public", str(number), timeout=0.1) for number in range(20)], return_exceptions=True
    )
    assert [type(error) for error in found if error] == [Unreachable] * 10


# far ahead of the thread


def test_who_is_far_ahead_lets_the_thread_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send_queue, "LONGEST_PAUSE", 20)
    out, entry = send_queue.SendQueue(10_000), (Message("public", "hi"), None, 0.0)
    out.wait_until_read()  # nothing waits
    for _ in range(1, send_queue.LEAD):
        assert out.offer([entry]) == 1
        out.wait_until_read()
    out.offer([entry])
    ahead = threading.Thread(target=out.wait_until_read)
    ahead.start()
    ahead.join(0.1)
    assert ahead.is_alive()
    out.wait()
    assert len(out.take_more([])) == send_queue.LEAD
    ahead.join(10)
    assert not ahead.is_alive()


def test_it_is_waited_for_but_a_moment(gated: FakeServer, queueing: QueueingBackend) -> None:
    start = time.monotonic()
    for number in range(10 * send_queue.LEAD):
        publish("public", str(number))
    assert time.monotonic() - start < 5  # a tenth of a second, and the messages themselves
    assert queueing.figures().queued == 10 * send_queue.LEAD


# waiting for the answer


def test_waiting_gives_the_answer(fake: FakeServer, queueing: QueueingBackend) -> None:
    publish("public", "1", wait=True)
    publish_many([{"channel": "public", "message": str(number)} for number in range(2, 1500)], wait=True, timeout=20)
    assert texts(fake, "public") == [str(number) for number in range(1, 1500)]


def test_waiting_has_a_limit(gated: FakeServer, queueing: QueueingBackend) -> None:
    with pytest.raises(Unreachable, match=r"no result within 0\.1 seconds; it is still being tried"):
        publish("public", "1", wait=True, timeout=0.1)
    assert not flush(0.05)


async def test_a_thousand_async_callers(fake: FakeServer, queueing: QueueingBackend) -> None:
    assert set(await asyncio.gather(*[apublish("public", str(number)) for number in range(1000)])) == {None}
    waited = [apublish("waited", str(number), wait=True, timeout=20) for number in range(1000)]
    assert set(await asyncio.gather(*waited)) == {None}
    assert texts(fake, "waited") == [str(number) for number in range(1000)]
    assert flush(10)
    assert texts(fake, "public") == [str(number) for number in range(1000)]


async def test_an_async_caller_may_give_up(gated: FakeServer, gate: Gate, queueing: QueueingBackend) -> None:
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(apublish("public", "1", wait=True, timeout=20), 0.1)
    gate.opened.set()
    assert await asyncio.to_thread(flush, 10)


# failures


def rejected(server: FakeServer, client: socket.socket, request: Request) -> bool:
    """Take all but what is for the channel "$bad…", as a server without its namespace does."""
    replies = [
        {"error": {"code": 102, "message": "unknown channel"}}
        if item["channel"].startswith("$bad")
        else {"publish": {}}
        for item in [c["publish"] for c in request.json.get("commands", [])] or [request.json]
    ]
    if request.path.endswith("/batch"):
        return answer({"replies": replies})(server, client, request)
    reply = replies[0]
    return answer(reply if "error" in reply else {"result": reply["publish"]})(server, client, request)


def test_a_rejection_is_logged_and_counted(kind: str, caplog: pytest.LogCaptureFixture, request) -> None:
    with fake_server(rejected):
        backend = request.getfixturevalue("queueing")
        before = backend.figures()
        for channel in ("good", "$bad", "good", "$bad"):
            publish(channel, "hi")
        assert flush(10)
        after = backend.figures()
    assert (after.sent - before.sent, after.failed - before.failed) == (2, 2)
    assert "publish to '$bad' with the" in caplog.text
    assert "102" in caplog.text or "unknown channel" in caplog.text


def test_a_rejection_reaches_who_waits_and_no_log(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    with fake_server(rejected):
        with pytest.raises(Rejected, match="unknown channel") as caught:
            publish("$bad", "hi", wait=True)
        with pytest.raises(PublishManyError) as many:
            publish_many([Message("good", "1"), Message("$bad", "2"), Message("good", "3")], wait=True)
    assert (caught.value.code, caught.value.channel, caught.value.backend) == (102, "$bad", kind)
    assert many.value.sent == [0, 2]
    assert caplog.text == ""


def test_a_flood_of_failures_is_no_flood_of_logs(caplog: pytest.LogCaptureFixture) -> None:
    errors = [Unreachable("away", f"c{number % 30:02}", "thread", True) for number in range(300)]
    send_queue._log(errors)  # type: ignore[arg-type]
    assert len(caplog.records) == send_queue.LOGGED_CHANNELS + 1
    assert caplog.messages[0].endswith("; 9 more to this channel also failed")
    assert caplog.messages[-1] == "200 more messages to 20 other channels also failed"


def test_a_server_that_stays_away_fails_them(
    kind: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, request
) -> None:
    monkeypatch.setattr(thread, "RETRY_FOR", 0.3)
    settings.INSTANT_GO_RETRY_FOR = 0.3
    with override_settings(CENTRIFUGO_HOST="http://127.0.0.1", CENTRIFUGO_PORT=free_port()):
        backend = request.getfixturevalue("queueing")
        before = backend.figures()
        for _ in range(20):
            publish("$lost", "hi")
        with pytest.raises(Unreachable, match="a retry may help"):
            publish("$waited", "hi", wait=True, timeout=20)
        assert flush(20)
        after = backend.figures()
    assert (after.sent - before.sent, after.failed - before.failed) == (0, 21)
    assert "publish to '$lost' with the" in caplog.text
    assert "$waited" not in caplog.text


def test_a_wrong_setting_fails_what_is_sent_and_is_mended(fake: FakeServer, queueing: QueueingBackend) -> None:
    with override_settings(CENTRIFUGO_API_KEY="no\nheader"), pytest.raises(Unreachable, match="CENTRIFUGO_API_KEY"):
        publish("public", "hi", wait=True)
    publish("public", "mended", wait=True, timeout=10)
    assert texts(fake, "public") == ["mended"]


def test_one_thread_is_started_by_many(fake: FakeServer, kind: str, queueing: QueueingBackend) -> None:
    backend = type(queueing)()
    workers = [threading.Thread(target=backend.send, args=([Message("public", "hi")],)) for _ in range(20)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert backend.flush(10)
    assert backend.figures().sent == 20


def test_figures_of_a_process_that_sent_nothing(queueing: QueueingBackend) -> None:
    def look() -> str:
        return f"{queueing.figures().sent} {queueing.flush(0)} {os.getpid() > 0}"

    assert forked(look) == "'0 True True'"
