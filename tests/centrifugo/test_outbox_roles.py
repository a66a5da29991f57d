"""The roles of docs/outbox.md, on a real PostgreSQL and, for the consumer's, with a real Centrifugo."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connections
from pytest_django import Settings

from instant import publish, publish_many
from instant.access.tokens import channel_token, connection_token
from instant.centrifugo.config import render
from instant.models import OutboxEntry
from instant.testing import LiveServer
from instant.testing.live_servers import free_port
from tests.clients import SyncClient
from tests.postgres import Cluster, Router, opened
from tests.snippets import ROOT, snippets

PAYLOAD = '{"channel": "public", "data": {"message": "Hello"}}'
METHODS = ("disconnect", "unsubscribe", "subscribe", "refresh", "history_remove", "rpc", "", "Publish")


def sql(name: str) -> str:
    """A block of the page."""
    (found,) = [
        each.text for each in snippets(ROOT / "docs/outbox.md") if each.language == "sql" and each.place == name
    ]
    return found


@contextmanager
def role(cluster: Cluster, alias: str, name: str) -> Iterator[Any]:
    """A connection as the role that the page makes."""
    import psycopg

    database = connections[alias].settings_dict["NAME"]
    who = f"outbox_{name}"
    with cluster.connect(database) as owner:
        owner.execute(sql(name))
        place: dict[str, Any] = {"host": "127.0.0.1", "port": cluster.port, "dbname": database}
        try:
            with psycopg.connect(**place, user=who, password="choose-one", autocommit=True) as connection:
                yield connection
        finally:
            owner.execute(f"DROP OWNED BY {who}; DROP ROLE {who}")


def write(connection: Any, method: str, payload: str = PAYLOAD, partition: int = 0) -> None:
    connection.execute(
        "INSERT INTO instant_outboxentry (method, payload, partition, created_at) VALUES (%s, %s, %s, now())",
        [method, payload, partition],
    )


def test_the_writer_inserts_messages_and_nothing_else(cluster: Cluster, postgres: str) -> None:
    from psycopg.errors import CheckViolation, InsufficientPrivilege, InvalidTextRepresentation

    with role(cluster, postgres, "writer") as connection:
        connection.execute(sql("insert"))
        write(connection, "broadcast")
        assert OutboxEntry.objects.count() == 2
        for method in METHODS:
            for partition in (0, -1):
                with pytest.raises(CheckViolation):
                    write(connection, method, partition=partition)
        with pytest.raises(InvalidTextRepresentation):
            write(connection, "publish", '{}},{"disconnect":{}')
        for statement in (
            "SELECT id FROM instant_outboxentry",
            "UPDATE instant_outboxentry SET method = 'publish'",
            "DELETE FROM instant_outboxentry",
            "TRUNCATE instant_outboxentry",
            "INSERT INTO instant_outboxentry (id, method, payload, partition, created_at) "
            "VALUES (1000, 'publish', '{}', 0, now())",
            "INSERT INTO instant_outboxentry (method, payload, partition, created_at) "
            "VALUES ('publish', '{}', 0, now()) RETURNING payload",
            "SELECT setval('instant_outboxentry_id_seq', 1)",
            "ALTER TABLE instant_outboxentry DROP CONSTRAINT instant_outbox_methods",
            "ALTER TABLE instant_outboxentry DISABLE TRIGGER instant_outbox_notify",
            "SELECT * FROM auth_user",
            "SELECT * FROM instant_outboxlease",
        ):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement)
        assert OutboxEntry.objects.count() == 2


def test_django_publishes_as_the_writer(cluster: Cluster, postgres: str, settings: Settings) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"
    owner = connections[postgres].settings_dict
    with (
        role(cluster, postgres, "writer"),
        opened({**cluster.settings(owner["NAME"]), "USER": "outbox_writer", "PASSWORD": "choose-one"}) as alias,
    ):
        settings.DATABASE_ROUTERS = [Router(alias)]
        publish("public", "one")
        with cluster.connect(owner["NAME"]) as connection:
            connection.execute("GRANT SELECT (id) ON instant_outboxentry TO outbox_writer")
        publish_many([{"channel": "public", "message": str(number)} for number in range(3)])
        connections[alias].close()
        settings.DATABASE_ROUTERS = [Router(postgres)]
        assert OutboxEntry.objects.count() == 4


@pytest.fixture
def centrifugo_as_consumer(
    cluster: Cluster, postgres: str, centrifugo: None, settings: Settings, tmp_path: Path
) -> Iterator[LiveServer]:
    settings.INSTANT_BROADCAST_WITH = "outbox"
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()
    database = connections[postgres].settings_dict["NAME"]
    settings.INSTANT_OUTBOX_DSN = f"postgresql://outbox_consumer:choose-one@127.0.0.1:{cluster.port}/{database}"
    with role(cluster, postgres, "consumer"):
        running = LiveServer("centrifugo", render(), tmp_path / "log")
        running.start()
        try:
            yield running
        finally:
            running.stop()


def test_the_consumer_delivers_and_may_not_do_more(
    cluster: Cluster, postgres: str, centrifugo_as_consumer: LiveServer
) -> None:
    import psycopg
    from psycopg.errors import CheckViolation, InsufficientPrivilege

    with SyncClient(centrifugo_as_consumer.websocket_url, connection_token(AnonymousUser())) as client:
        client.join("public", channel_token("public", AnonymousUser()))
        with role(cluster, postgres, "writer") as writer:
            with pytest.raises(CheckViolation):
                write(writer, "disconnect", '{"user": ""}')
            writer.execute(sql("insert"))
            client.wait(lambda: len(client.received) == 1, "for the message")
            publish("public", "of Django")
            client.wait(lambda: len(client.received) == 2, "for the other")
        client.wait(lambda: not OutboxEntry.objects.exists(), "for an empty outbox")
    database = connections[postgres].settings_dict["NAME"]
    place: dict[str, Any] = {"host": "127.0.0.1", "port": cluster.port, "dbname": database}
    with psycopg.connect(**place, user="outbox_consumer", password="choose-one", autocommit=True) as connection:
        for statement in (
            "SELECT * FROM auth_user",
            "INSERT INTO instant_outboxentry (method, payload, partition, created_at) "
            "VALUES ('publish', '{}', 0, now())",
            "UPDATE instant_outboxentry SET partition = 0",
        ):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(statement)
