"""The relay, in this process: what it sends, keeps, sets aside and leaves to others; the figures of what waits."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import Settings

from instant import outbox, publish, publish_many
from instant.centrifugo import outbox_config
from instant.exceptions import ServerError
from instant.models import OutboxEntry, OutboxLease
from instant.outbox import Backlog, Relay, backlog, relaying
from instant.protocol import MAX_BATCH_BYTES
from tests.fakes import accepted, answer, closed, fake_server
from tests.waiting import PATIENCE


@pytest.fixture(autouse=True)
def backend(settings: Settings) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"


@pytest.fixture(params=["sqlite", "postgres"])
def alias(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def fill(number: int, channel: str = "public") -> None:
    publish_many([{"channel": channel, "message": str(count)} for count in range(number)])


def texts(requests: list[Any]) -> list[str]:
    return [command["publish"]["data"]["message"] for request in requests for command in request.json["commands"]]


def test_it_sends_in_order_and_deletes(alias: str) -> None:
    fill(2 * outbox.LIMIT + 1)
    keys = [json.loads(row.payload)["idempotency_key"] for row in OutboxEntry.objects.order_by("pk")]
    with fake_server() as server:
        relay = Relay()
        assert [relay.deliver() for _ in range(4)] == [outbox.LIMIT, outbox.LIMIT, 1, 0]
    assert texts(server.requests) == [str(number) for number in range(2 * outbox.LIMIT + 1)]
    assert [key for request in server.requests for key in request.keys] == keys
    assert not OutboxEntry.objects.exists()


def test_a_request_stays_within_the_limit(sqlite: str) -> None:
    publish_many([{"channel": "public", "message": str(number) + "ü" * 100_000} for number in range(6)])
    publish("public", "6" + "x" * 800_000)
    with fake_server() as server:
        relay = Relay()
        while relay.deliver():
            pass
    assert [text[0] for text in texts(server.requests)] == list("0123456")
    assert [len(request.body) < MAX_BATCH_BYTES for request in server.requests] == [True, True, True, False]
    assert len(texts(server.requests[-1:])) == 1


def test_what_was_rolled_back_is_not_sent(alias: str) -> None:
    with fake_server() as server, transaction.atomic(using=alias):
        publish("public", "never")
        transaction.set_rollback(True, using=alias)
    with fake_server() as server:
        assert Relay().deliver() == 0
    assert server.requests == []


def insert(alias: str, method: str, payload: str, partition: int = 0) -> None:
    """Write a row as another program may: our constraint is not on tables that were made by hand."""
    table = OutboxEntry._meta.db_table
    with connections[alias].cursor() as cursor:
        if connections[alias].vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = ON")
        else:
            cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS instant_outbox_methods")
        cursor.execute(
            f"INSERT INTO {table} (method, payload, partition, created_at) VALUES (%s, %s, %s, %s)",
            [method, payload, partition, timezone.now()],
        )
        if connections[alias].vendor == "sqlite":
            cursor.execute("PRAGMA ignore_check_constraints = OFF")


@pytest.mark.parametrize(
    "method", ["disconnect", "unsubscribe", "subscribe", "refresh", "history_remove", "", "PUBLISH", 'publish":{}},{"x']
)
def test_other_methods_are_set_aside_and_never_sent(alias: str, method: str, caplog: pytest.LogCaptureFixture) -> None:
    fill(1)
    insert(alias, method, '{"user": "5", "channel": "public"}')
    fill(1)
    with fake_server() as server:
        assert Relay().deliver() == 3
    assert texts(server.requests) == ["0", "0"]
    assert "was moved to partition -1" in caplog.text
    assert backlog().unread == 1


def test_a_request_of_other_methods_only_is_not_made(alias: str) -> None:
    insert(alias, "disconnect", '{"user": "5"}')
    with fake_server() as server:
        assert Relay().deliver() == 1
    assert server.requests == []
    assert backlog()[0::2] == (1, 1)


@pytest.mark.parametrize(
    "payload",
    [
        '{"channel": "a", "data": 1}},{"disconnect":{"user": "5"}',
        '{"channel": "a", "data": NaN}',
        '["channel"]',
        "{",
        "",
        "[" * 100_000,
    ],
)
def test_a_payload_that_is_no_object_is_set_aside(sqlite: str, payload: str) -> None:
    """On SQLite and MySQL the column holds any text: it must not become more commands, or stop the others."""
    insert(sqlite, "publish", payload)
    fill(1)
    with fake_server() as server:
        assert Relay().deliver() == 2
    assert texts(server.requests) == ["0"]
    assert backlog().unread == 1


def test_the_database_refuses_other_methods(alias: str) -> None:
    OutboxEntry.objects.create(method="broadcast", payload="{}", partition=-1)
    for method in ("disconnect", "", "PUBLISH", "publish "):
        for partition in (0, -1):
            with pytest.raises(IntegrityError), transaction.atomic(using=alias):
                OutboxEntry.objects.create(method=method, payload="{}", partition=partition)


def test_while_the_server_is_away_all_stays(alias: str) -> None:
    relay = Relay()
    fill(3)
    with fake_server(closed), pytest.raises(ServerError) as caught:
        relay.deliver()
    assert caught.value.retryable
    with fake_server(answer(b"", 401)), pytest.raises(ServerError, match="API key"):
        relay.deliver()
    assert OutboxEntry.objects.filter(partition__gte=0).count() == 3
    with fake_server() as server:
        assert relay.deliver() == 3
    assert texts(server.requests) == ["0", "1", "2"]


REFUSED = {"error": {"code": 102, "message": "unknown channel"}}
FAILED = {"error": {"code": 100, "message": "internal server error"}}


def test_what_the_server_refuses_is_set_aside_and_the_rest_goes_on(
    alias: str, caplog: pytest.LogCaptureFixture
) -> None:
    relay = Relay()
    fill(3)
    with fake_server(answer({"replies": [{"publish": {}}, REFUSED, {"publish": {}}]})):
        assert relay.deliver() == 3
        assert relay.deliver() == 0
    (row,) = OutboxEntry.objects.all()
    assert (row.partition, json.loads(row.payload)["data"]["message"]) == (outbox.SET_ASIDE, "1")
    assert f"Row {row.pk} of the outbox was moved to partition -1: the server answered 102" in caplog.text
    OutboxEntry.objects.update(partition=0)  # as the docs say, once the cause is gone
    with fake_server() as server:
        assert relay.deliver() == 1
    assert texts(server.requests) == ["1"]


def test_what_the_server_could_not_do_now_is_tried_again(alias: str) -> None:
    relay = Relay()
    fill(3)
    with fake_server(answer({"replies": [{"publish": {}}, FAILED, REFUSED]})), pytest.raises(ServerError, match="100"):
        relay.deliver()
    assert sorted(OutboxEntry.objects.values_list("partition", flat=True))[0] == outbox.SET_ASIDE
    with fake_server() as server:
        assert relay.deliver() == 1
    assert texts(server.requests) == ["1"]


def test_a_reply_too_few_is_no_success(sqlite: str) -> None:
    fill(3)
    with fake_server(answer({"replies": [{"publish": {}}]})), pytest.raises(ServerError, match="1 of 3 commands"):
        Relay().deliver()
    assert OutboxEntry.objects.count() == 3


# several relays


def test_one_relay_has_it_until_it_gives_it_back_or_its_time_is_over(sqlite: str) -> None:
    one, two = Relay(), Relay()
    with fake_server():
        fill(1)
        assert one.deliver() == 1
        fill(2)
        assert two.deliver() == 0
        assert one.deliver() == 2
        fill(1)
        one.release()
        assert two.deliver() == 1
        fill(1)
        assert one.deliver() == 0
        OutboxLease.objects.update(until=timezone.now() - timedelta(seconds=1))  # the other one was killed
        assert one.deliver() == 1
    assert OutboxLease.objects.count() == 1


@pytest.mark.parametrize("offset", [60, -60])
def test_the_clocks_of_relays_may_differ(sqlite: str, monkeypatch: pytest.MonkeyPatch, offset: int) -> None:
    """The lease follows the database's clock: a relay whose clock is wrong neither takes the lease nor blocks it."""
    one, two, now = Relay(), Relay(), timezone.now
    with fake_server():
        fill(1)
        with monkeypatch.context() as patch:
            patch.setattr(timezone, "now", lambda: now() + timedelta(seconds=offset))
            assert one.deliver() == 1
        fill(1)
        assert two.deliver() == 0
        with monkeypatch.context() as patch:
            patch.setattr(timezone, "now", lambda: now() + timedelta(seconds=offset))
            one.release()
        assert two.deliver() == 1
        fill(1)
        with monkeypatch.context() as patch:
            patch.setattr(timezone, "now", lambda: now() + timedelta(seconds=offset))
            assert one.deliver() == 0


def test_a_lease_lasts_longer_than_a_request() -> None:
    assert outbox.LEASE > outbox.TIMEOUT + 1


def test_on_postgres_it_waits_for_what_the_servers_consumer_has(postgres: str) -> None:
    """The consumer's own lock: the one of its source, and of tests/centrifugo/test_outbox_consumer.py."""
    other = connections[postgres].copy()
    fill(1, "a")
    fill(1, "b")
    locked = OutboxEntry.objects.order_by("pk")[0].partition
    assert locked != OutboxEntry.objects.order_by("pk")[1].partition
    try:
        with fake_server() as server, other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [outbox_config.lock_name(locked)])
            assert Relay().deliver() == 1
            assert Relay().deliver() == 0
            cursor.execute("SELECT pg_advisory_unlock_all()")
            assert Relay().deliver() == 1
    finally:
        other.close()
    assert [command["publish"]["channel"] for r in server.requests for command in r.json["commands"]] == ["b", "a"]


# the loop


def wait_until_empty() -> None:
    deadline = time.monotonic() + 60
    while OutboxEntry.objects.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_it_runs_in_a_thread_as_long_as_it_is_needed(alias: str) -> None:
    with fake_server() as server, relaying():
        for number in range(3):
            publish("public", str(number))
            wait_until_empty()
    publish("public", "late")
    time.sleep(0.3)
    assert texts(server.requests) == ["0", "1", "2"]


def run_with_stop_at(line: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Run a relay that is stopped, as by a signal, when it has executed so many lines; return whether that was soon."""
    relay, executed = Relay(), 0
    monkeypatch.setattr(relay, "deliver", lambda: 0)
    monkeypatch.setattr(relay, "release", lambda: None)

    def trace(frame: Any, event: str, argument: object) -> Any:
        nonlocal executed
        if event == "line":
            executed += 1
            if executed == line:
                relay.stop()
        return trace

    def work() -> None:
        sys.settrace(trace)
        relay.run(0.001)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return not thread.is_alive()


@pytest.mark.skipif(sys.gettrace() is not None, reason="another program traces this process")
def test_a_signal_may_stop_it_at_any_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """`threading.Event` is not reentrant: its `set` in a signal handler can wait for its own `wait` forever."""
    assert all(run_with_stop_at(line, monkeypatch) for line in range(1, 60))


def test_an_outage_is_reported_once_and_so_is_its_end(
    sqlite: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(outbox, "REPORT_AFTER", 0.05)
    publish("public", "x")
    with fake_server(*[closed] * 20, accepted), relaying():
        wait_until_empty()
        time.sleep(0.1)
    told = [(record.levelno, record.getMessage().partition(":")[0]) for record in caplog.records]
    assert told == [
        (logging.WARNING, "The outbox is not delivered"),
        (logging.WARNING, "The outbox is delivered again."),
    ]


def test_a_short_outage_is_not_told(sqlite: str, caplog: pytest.LogCaptureFixture) -> None:
    publish("public", "x")
    with fake_server(closed, closed, closed, accepted), relaying():
        wait_until_empty()
    assert caplog.records == []


def test_a_database_that_is_away_is_waited_for(postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "LONGEST_PAUSE", 0.02)
    with fake_server(), relaying():
        publish("public", "1")
        wait_until_empty()
        with connections[postgres].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
        publish("public", "2")
        wait_until_empty()


# what waits


def test_the_backlog_is_counted(alias: str, settings: Settings) -> None:
    assert backlog() == Backlog(0, 0.0, 0)
    fill(3)
    OutboxEntry.objects.filter(pk=OutboxEntry.objects.order_by("pk")[0].pk).update(
        created_at=timezone.now() - timedelta(minutes=5)
    )
    found = backlog()
    assert (found.rows, found.unread) == (3, 0)
    assert 299 < found.oldest < 330
    OutboxEntry.objects.update(partition=outbox.SET_ASIDE)
    assert backlog().unread == 3


def test_rows_of_a_partition_that_the_server_does_not_read_are_counted_and_relayed(
    postgres: str, settings: Settings
) -> None:
    fill(3)
    settings.INSTANT_OUTBOX_PARTITIONS = OutboxEntry.objects.all()[0].partition or 1
    OutboxEntry.objects.update(partition=7)
    assert backlog().unread == 3
    with fake_server():
        assert Relay().deliver() == 3


def test_a_relay_reads_all_partitions(sqlite: str) -> None:
    fill(3)
    OutboxEntry.objects.update(partition=7)
    assert backlog().unread == 0
    with fake_server():
        assert Relay().deliver() == 3


def test_a_relay_on_postgresql_does_not_read_the_backlog_for_each_batch(postgres: str) -> None:
    fill(2 * outbox.LIMIT)
    OutboxEntry.objects.filter(pk__in=OutboxEntry.objects.order_by("-pk")[:1].values("pk")).update(partition=7)
    relay = outbox.Relay()
    with fake_server(), CaptureQueriesContext(connections[postgres]) as queries:
        while relay.deliver():
            pass
    assert OutboxEntry.objects.count() == 0
    assert sum("DISTINCT" in query["sql"] for query in queries) == 1
