"""manage.py check --database default, and the outbox."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.core import checks
from django.core.checks import CheckMessage
from django.core.management import CommandError, call_command
from django.db import connections
from django.utils import timezone
from pytest_django import Settings

from instant import publish
from instant.models import Channel, OutboxEntry

#: The ids, for tests/checks/test_all.py.
OUTBOX = ("instant.W006", "instant.W007", "instant.W008")


@pytest.fixture(autouse=True)
def backend(settings: Settings) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"


@pytest.fixture(params=["sqlite", "postgres"])
def alias(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def found(*databases: str) -> list[CheckMessage]:
    messages = checks.run_checks(databases=list(databases))
    return [message for message in messages if (message.id or "").startswith("instant.")]


def ids(*databases: str) -> list[str | None]:
    return [message.id for message in found(*databases)]


def make_old() -> None:
    OutboxEntry.objects.update(created_at=timezone.now() - timedelta(minutes=10))


def test_an_empty_outbox_and_a_fresh_one_are_no_news(alias: str) -> None:
    assert found(alias) == []
    publish("public", "x")
    assert found(alias) == []


def test_late_messages_are_reported(alias: str) -> None:
    publish("public", "x")
    make_old()
    (message,) = found(alias)
    assert message.id == "instant.W006"
    assert "1 messages are in the outbox, the oldest for 60" in message.msg
    is_postgres = connections[alias].vendor == "postgresql"
    assert ("Centrifugo, started by `runws`" if is_postgres else "`manage.py relayoutbox`") in (message.hint or "")


def test_nothing_is_asked_without_the_database(alias: str) -> None:
    publish("public", "x")
    make_old()
    assert found() == []
    assert found("default") == []


def test_messages_that_nobody_reads_are_reported(alias: str) -> None:
    publish("public", "x")
    make_old()
    OutboxEntry.objects.update(partition=-1)
    assert ids(alias) == ["instant.W007"]
    publish("public", "y")
    make_old()
    assert ids(alias) == ["instant.W006", "instant.W007"]


def test_fewer_partitions_than_before_are_reported(postgres: str, settings: Settings) -> None:
    publish("public", "x")
    OutboxEntry.objects.update(partition=3)
    settings.INSTANT_OUTBOX_PARTITIONS = 2
    (message,) = found(postgres)
    assert (message.id, message.msg[:14]) == ("instant.W007", "1 messages are")


def test_a_lost_trigger_is_reported(postgres: str) -> None:
    with connections[postgres].cursor() as cursor:
        cursor.execute("DROP TRIGGER instant_outbox_notify ON instant_outboxentry")
    for number in range(3):
        publish("public", str(number))
    rows = list(OutboxEntry.objects.order_by("pk").values())
    channel = Channel.objects.create(name="kept", level="public", paths=["/a/"])
    (message,) = found(postgres)
    assert message.id == "instant.W008"
    (command,) = re.findall(r"`manage\.py (.+?)`", message.hint or "")
    with listening(postgres) as told:
        call_command(*command.split())
        assert told() == {str(row["partition"]) for row in rows}  # those that wait
        assert found(postgres) == []
        publish("public", "later")
        assert told()
    assert list(OutboxEntry.objects.order_by("pk").values())[:3] == rows
    channel.refresh_from_db()
    assert channel.paths == ["/a/"]


def test_a_trigger_that_is_there_may_be_repaired(postgres: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("repairoutbox")
    assert "was replaced" in capsys.readouterr().out
    assert found(postgres) == []


def test_nothing_to_repair_without_a_consumer(sqlite: str) -> None:
    with pytest.raises(CommandError, match="does not read the outbox"):
        call_command("repairoutbox")


@contextmanager
def listening(alias: str) -> Iterator[Callable[[], set[str]]]:
    """What the server would be told: a connection that listens as its consumer does."""
    import psycopg

    options = connections[alias].get_connection_params()
    names = ("host", "port", "user", "password", "dbname")
    with psycopg.connect(**{name: options[name] for name in names if name in options}, autocommit=True) as connection:
        connection.execute("LISTEN instant_outbox")
        yield lambda: {notice.payload for notice in connection.notifies(timeout=1)}


def test_a_database_without_our_tables_may_be_migrated(alias: str) -> None:
    call_command("migrate", "instant", "0004", database=alias, verbosity=0)
    assert found(alias) == []
    call_command("migrate", database=alias, verbosity=0)


def test_wrong_settings_are_reported_by_their_own_check(alias: str, settings: Settings) -> None:
    settings.INSTANT_OUTBOX_PARTITIONS = 0
    assert set(ids(alias)) == {"instant.E001"}


def test_what_is_left_of_another_backend_is_reported(sqlite: str, settings: Settings) -> None:
    publish("public", "x")
    make_old()
    settings.INSTANT_BROADCAST_WITH = "python"
    assert ids(sqlite) == ["instant.W006"]
