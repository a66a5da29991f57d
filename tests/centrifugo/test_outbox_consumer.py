"""The outbox on PostgreSQL, read by the consumer of a real Centrifugo, up to a client's websocket."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connections, transaction
from pytest_django import Settings

from instant import publish, publish_many
from instant.access.tokens import channel_token, connection_token
from instant.centrifugo import http, outbox_config
from instant.centrifugo.config import render
from instant.messages import Message
from instant.models import OutboxEntry
from instant.testing import LiveServer
from instant.testing.live_servers import free_port
from tests.clients import SyncClient
from tests.waiting import PATIENCE


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def server(postgres: str, centrifugo: None, settings: Settings, log: Path) -> Iterator[LiveServer]:
    settings.INSTANT_BROADCAST_WITH = "outbox"
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()
    running = LiveServer("centrifugo", render(), log)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def client(server: LiveServer) -> Iterator[SyncClient]:
    with SyncClient(server.websocket_url, connection_token(AnonymousUser())) as connected:
        yield connected


def join(client: SyncClient, *names: str) -> None:
    for name in names:
        client.join(name, channel_token(name, AnonymousUser()))


def wait_for(client: SyncClient, number: int) -> None:
    client.wait(lambda: len(client.received) >= number, f"for {number} messages")


def test_a_commit_delivers_whole_and_a_rollback_never(postgres: str, client: SyncClient) -> None:
    join(client, "public")
    message = Message("public", "Grüße \x00 🎉", {"z": 1, "a": None})
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=postgres):
        publish("public", "never")
        1 / 0  # noqa: B018
    with transaction.atomic(using=postgres):
        publish_many([message])
        publish("public", "last")
        assert client.received == []
    wait_for(client, 2)
    assert client.received[0] == ("public", json.loads(message.payload))
    assert list(client.received[0][1]) == list(json.loads(message.payload))  # the keys keep their order
    assert client.texts() == ["Grüße \x00 🎉", "last"]
    client.wait(lambda: not OutboxEntry.objects.exists(), "for an empty outbox")


def test_each_channel_keeps_its_order(client: SyncClient) -> None:
    names = [f"c{number}" for number in range(12)]
    join(client, *names)
    for number in range(30):
        for name in names:
            publish(name, str(number))
    wait_for(client, 360)
    for name in names:
        assert [data["message"] for channel, data in client.received if channel == name] == [
            str(number) for number in range(30)
        ]


def test_ten_thousand_in_one_transaction(postgres: str, client: SyncClient) -> None:
    names = ["a", "b", "c", "d", "e"]
    join(client, *names)
    with transaction.atomic(using=postgres):
        publish_many([{"channel": names[number % 5], "data": number} for number in range(10_000)])
    wait_for(client, 10_000)
    assert sorted(data["data"] for _, data in client.received) == list(range(10_000))
    for name in names:
        numbers = [data["data"] for channel, data in client.received if channel == name]
        assert numbers == sorted(numbers)


def test_what_is_written_while_the_server_is_down_comes_when_it_is_up(server: LiveServer) -> None:
    server.stop()
    publish_many([{"channel": "public", "message": str(number)} for number in range(50)])
    assert OutboxEntry.objects.count() == 50
    server.start()
    with SyncClient(server.websocket_url, connection_token(AnonymousUser())) as client:
        client.wait(lambda: not OutboxEntry.objects.exists(), "for an empty outbox")
        join(client, "public")
        publish("public", "now")
        wait_for(client, 1)
    body = b'{"channel": "public", "limit": -1}'
    found = [each["data"]["message"] for each in http.post("history", body, PATIENCE)["result"]["publications"]]
    assert found == [*map(str, range(50)), "now"]


def test_a_repeated_row_arrives_once(client: SyncClient) -> None:
    join(client, "public")
    message = Message("public", "once")
    publish_many([message, message])
    publish_many([message])
    publish("public", "last")
    wait_for(client, 2)
    assert client.texts() == ["once", "last"]


def test_the_one_loss_that_is_left(client: SyncClient, settings: Settings, log: Path) -> None:
    """A namespace that Django knows, and the running server does not: the docs say it."""
    join(client, "public")
    settings.INSTANT_NAMESPACES = {"late": {}}
    publish("late:x", "lost")
    publish("public", "next")
    wait_for(client, 1)
    client.wait(lambda: not OutboxEntry.objects.exists(), "for an empty outbox")
    assert "unknown channel" in log.read_text()


def test_the_consumer_takes_the_lock_that_the_relay_knows(postgres: str, client: SyncClient) -> None:
    join(client, "public")
    other = connections[postgres].copy()
    try:
        with other.cursor() as cursor:
            for partition in range(4):
                cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", [outbox_config.lock_name(partition)])
            publish("public", "waits")
            time.sleep(0.6)  # two polls of the consumer
            assert client.received == []
            cursor.execute("SELECT pg_advisory_unlock_all()")
        wait_for(client, 1)
    finally:
        other.close()


def test_the_server_does_not_learn_of_what_is_set_aside(postgres: str, client: SyncClient, log: Path) -> None:
    join(client, "public")
    OutboxEntry.objects.create(payload=Message("public", "aside").command().decode(), partition=-1)
    publish("public", "next")
    wait_for(client, 1)
    assert client.texts() == ["next"]
    assert "out of range" not in log.read_text()


def test_nothing_is_logged_that_is_no_trouble(client: SyncClient, log: Path) -> None:
    join(client, "public")
    publish("public", "x")
    wait_for(client, 1)
    told = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line for line in told if line["level"] == "error"] == []
