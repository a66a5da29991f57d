"""The outbox backend: rows in the caller's transaction, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core.management import call_command
from django.db import DatabaseError, connections, transaction
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from instant import apublish, publish, publish_many
from instant.backends import BaseBackend, get_backend
from instant.exceptions import InvalidSetting, PublishError
from instant.messages import Message
from instant.models import OutboxEntry

from .common import BackendContract


@pytest.fixture(autouse=True)
def outbox(settings: Settings) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"


def rows() -> list[OutboxEntry]:
    """From a thread of its own: a test may be async."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: list(OutboxEntry.objects.order_by("pk"))).result()


class Rows(BackendContract):
    name = "outbox"

    def sent(self, channel: str) -> list[dict[str, Any]]:
        commands = [json.loads(row.payload) for row in rows()]
        return [command["data"] for command in commands if command["channel"] == channel]


class TestOnSqlite(Rows):
    @pytest.fixture
    def backend(self, sqlite: str) -> BaseBackend:
        return get_backend()


class TestOnPostgres(Rows):
    @pytest.fixture
    def backend(self, postgres: str) -> BaseBackend:
        return get_backend()


@pytest.fixture(params=["sqlite", "postgres"])
def alias(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


def test_it_says_what_it_is(sqlite: str) -> None:
    backend = get_backend()
    assert backend.transactional
    assert not backend.confirms
    assert backend.flush()


def test_a_row_is_the_servers_call_byte_for_byte(alias: str) -> None:
    message = Message("$users", "Grüße \x00 \u2028", {"z": 1, "a": [1.0, 10**20]})
    get_backend().send([message])
    get_backend().send([message, message])
    for row in rows():
        assert row.method == "publish"
        assert row.payload.encode() == message.command()


def test_rows_live_and_die_with_the_transaction(alias: str) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
        publish("public", "never")
        publish_many([{"channel": "public", "message": "never"}] * 3)
        1 / 0  # noqa: B018
    with transaction.atomic(using=alias):
        publish("public", "1")
        with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
            publish("public", "never")
            1 / 0  # noqa: B018
        publish("public", "2", on_commit=True)
        assert rows() == []
        assert OutboxEntry.objects.count() == 2
    assert [json.loads(row.payload)["data"]["message"] for row in rows()] == ["1", "2"]


def test_async_is_in_the_same_transaction(alias: str) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic(using=alias):
        async_to_sync(apublish)("public", "never")
        assert OutboxEntry.objects.count() == 1
        1 / 0  # noqa: B018
    assert rows() == []


def test_a_publish_is_one_insert_and_nothing_else(alias: str) -> None:
    with CaptureQueriesContext(connections[alias]) as queries:
        publish("public", "one")
    assert [query["sql"].split()[0] for query in queries] == ["INSERT"]


def test_many_are_one_insert(postgres: str) -> None:
    items = [{"channel": f"c{number % 50}", "message": str(number)} for number in range(10_000)]
    with transaction.atomic(using=postgres), CaptureQueriesContext(connections[postgres]) as queries:
        publish_many(items)
    assert [query["sql"].split()[0] for query in queries] == ["INSERT"]
    assert [json.loads(row.payload)["data"]["message"] for row in rows()] == [item["message"] for item in items]


def test_a_channel_stays_in_one_partition(sqlite: str, settings: Settings) -> None:
    settings.INSTANT_OUTBOX_PARTITIONS = 8
    publish_many([{"channel": f"c{number % 100}", "message": "x"} for number in range(300)])
    found: dict[str, set[int]] = {}
    for row in rows():
        found.setdefault(json.loads(row.payload)["channel"], set()).add(row.partition)
    assert {len(partitions) for partitions in found.values()} == {1}
    assert {partition for partitions in found.values() for partition in partitions} == set(range(8))
    assert found["c0"] == {7}  # the same in every process, and in every version


@pytest.mark.parametrize("number", [0, -1])
def test_partitions_of_no_number(sqlite: str, settings: Settings, number: int) -> None:
    settings.INSTANT_OUTBOX_PARTITIONS = number
    with pytest.raises(InvalidSetting, match=f"INSTANT_OUTBOX_PARTITIONS is {number}; it must be at least 1"):
        publish("public", "x")


def test_a_receiver_that_publishes_for_every_model_ends(sqlite: str) -> None:
    def receiver(sender: Any, **_: Any) -> None:
        publish("public", sender.__name__)

    post_save.connect(receiver)
    try:
        publish("public", "one")
        publish_many([{"channel": "public", "message": "two"}] * 2)
    finally:
        post_save.disconnect(receiver)
    assert len(rows()) == 3


# failures


@pytest.fixture
def not_migrated(alias: str) -> str:
    call_command("migrate", "instant", "0004", database=alias, verbosity=0)
    return alias


def test_a_missing_table_is_reported_with_what_to_do(not_migrated: str) -> None:
    with pytest.raises(PublishError, match=r"row was not written: .*; run `manage.py migrate`") as caught:
        publish("public", "x")
    assert (caught.value.channel, caught.value.backend, caught.value.retryable) == ("public", "outbox", False)
    assert caught.value.__cause__ is not None
    with pytest.raises(PublishError, match="2 of 2 messages failed"):
        publish_many([{"channel": "public", "message": "x"}] * 2)
    assert publish("public", "x", fail_silently=True) is not None


def test_what_ends_the_transaction_is_never_silent(not_migrated: str) -> None:
    for call in (
        lambda: publish("public", "x", fail_silently=True),
        lambda: publish_many([{"channel": "public", "message": "x"}] * 2, fail_silently=True),
    ):
        with pytest.raises(PublishError, match="migrate"), transaction.atomic(using=not_migrated):
            call()
        assert not connections[not_migrated].in_atomic_block


def test_a_transaction_that_is_over_is_reported(alias: str) -> None:
    with transaction.atomic(using=alias):
        with pytest.raises(DatabaseError, match="nothing"):
            with transaction.atomic(using=alias, savepoint=False), connections[alias].cursor() as cursor:
                cursor.execute("SELECT * FROM nothing")
        for call in (lambda: publish("public", "x"), lambda: publish_many([Message("public", "x")] * 2)):
            with pytest.raises(
                PublishError, match="can't execute queries until the end of the 'atomic' block"
            ) as caught:
                call()
            assert caught.value.retryable is False
        transaction.set_rollback(True, using=alias)
    assert rows() == []


def test_a_database_that_is_away_may_come_back(postgres: str) -> None:
    with connections[postgres].cursor() as cursor:
        cursor.execute("SET idle_session_timeout = 1; SELECT pg_backend_pid()")
    import time

    time.sleep(0.3)
    with pytest.raises(PublishError) as caught:
        publish("public", "x")
    assert caught.value.retryable
    connections[postgres].close()
    assert publish("public", "x") is None
