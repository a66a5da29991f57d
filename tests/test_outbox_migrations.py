"""The outbox's table and trigger on PostgreSQL, forward and back; the earlier migrations there, too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections
from pytest_django import Settings

from instant import outbox, outbox_trigger
from instant.models import Channel, OutboxEntry
from tests.postgres import Cluster, Router, opened


@pytest.fixture
def empty(cluster: Cluster, django_db_blocker: Any, django_db_setup: None) -> Iterator[str]:
    """The alias of a database on PostgreSQL that has nothing in it."""
    with django_db_blocker.unblock():
        name = cluster.create()
        try:
            with opened(cluster.settings(name)) as alias:
                yield alias
        finally:
            cluster.drop(name)


def migrate(alias: str, *target: str) -> None:
    call_command("migrate", *target, database=alias, verbosity=0)


def ask(alias: str, sql: str) -> list[tuple[Any, ...]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


def made_by_us(alias: str) -> set[str]:
    names = ask(alias, "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal")
    names += ask(alias, "SELECT proname FROM pg_proc WHERE proname LIKE 'instant%'")
    names += ask(alias, "SELECT tablename FROM pg_tables WHERE tablename LIKE 'instant_outbox%'")
    return {name for (name,) in names}


def test_forward_and_back_and_forward(empty: str) -> None:
    for _ in range(2):
        migrate(empty)
        assert made_by_us(empty) == {"instant_outbox_notify", "instant_outboxentry", "instant_outboxlease"}
        OutboxEntry.objects.using(empty).create(payload="{}", partition=0)
        migrate(empty, "instant", "0004")
        assert made_by_us(empty) == set()
    migrate(empty, "instant", "zero")
    migrate(empty)


def test_the_columns_are_those_that_the_server_reads(postgres: str) -> None:
    found = dict(
        ask(
            postgres,
            "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = 'instant_outboxentry'",
        )
    )
    assert {name: found[name] for name in ("id", "method", "payload", "partition")} == {
        "id": "bigint",
        "method": "character varying",
        "payload": "json",
        "partition": "integer",
    }


def test_the_trigger_tells_each_partition_once(cluster: Cluster, postgres: str) -> None:
    with cluster.connect(connections[postgres].settings_dict["NAME"]) as listener:
        listener.execute("LISTEN instant_outbox")
        rows = [OutboxEntry(payload="{}", partition=number % 3 - 1) for number in range(1000)]
        OutboxEntry.objects.bulk_create(rows)
        OutboxEntry.objects.update(partition=9)
        told = [notice.payload for notice in listener.notifies(timeout=1, stop_after=2)]
        told += [notice.payload for notice in listener.notifies(timeout=0.3)]
    assert sorted(told) == ["0", "1"]


def test_a_missing_trigger_is_seen(postgres: str) -> None:
    assert outbox_trigger.is_there()
    with connections[postgres].cursor() as cursor:
        cursor.execute("ALTER TABLE instant_outboxentry DISABLE TRIGGER instant_outbox_notify")
    assert not outbox_trigger.is_there()


@pytest.fixture(params=["empty", "file"])
def earlier(request: pytest.FixtureRequest) -> Iterator[str]:
    """The alias of a database, on PostgreSQL and SQLite, before the outbox had a constraint."""
    if request.param == "empty":
        alias = request.getfixturevalue("empty")
        migrate(alias, "instant", "0006")
        yield alias
        return
    blocker = request.getfixturevalue("django_db_blocker")
    path = request.getfixturevalue("tmp_path") / "db.sqlite3"
    with blocker.unblock(), opened({**connections.databases["default"], "NAME": str(path)}) as alias:
        migrate(alias, "instant", "0006")
        yield alias


@pytest.mark.slow
def test_rows_of_other_methods_are_set_aside_where_nothing_executes_them(earlier: str) -> None:
    rows = OutboxEntry.objects.using(earlier)
    good = [rows.create(method=method, payload='{"z":1,"a":2}', partition=3).pk for method in ("publish", "broadcast")]
    wrong = [rows.create(method=method, payload='{"user":"5"}', partition=0).pk for method in ("disconnect", "", "x")]
    migrate(earlier)
    kept = rows.filter(pk__in=good).order_by("pk").values_list("method", "payload", "partition")
    assert list(kept) == [("publish", '{"z":1,"a":2}', 3), ("broadcast", '{"z":1,"a":2}', 3)]
    found = {row.pk: row for row in rows.filter(pk__in=wrong)}
    assert {row.partition for row in found.values()} == {outbox.SET_ASIDE}
    assert [json.loads(found[pk].payload)["refused"] for pk in wrong] == [
        {"method": method, "payload": {"user": "5"}} for method in ("disconnect", "", "x")
    ]
    # Sent again by mistake, they are publications without a channel.
    assert {row.method for row in found.values()} == {"publish"}
    migrate(earlier, "instant", "0006")
    migrate(earlier)


def test_where_the_table_is_elsewhere_there_is_no_trigger(empty: str, settings: Settings) -> None:
    class Elsewhere:
        def allow_migrate(self, db: str, app_label: str, model_name: str | None = None, **hints: Any) -> bool | None:
            return False if model_name in ("outboxentry", "outboxlease") else None

    settings.DATABASE_ROUTERS = [Elsewhere()]
    migrate(empty)
    assert made_by_us(empty) == set()


def test_a_database_of_version_4_is_migrated(empty: str, settings: Settings) -> None:
    migrate(empty, "instant", "0002")
    with connections[empty].cursor() as cursor:
        cursor.execute(
            "INSERT INTO instant_channel (name, level, is_active) VALUES ('ns:$chan', 'users', true), "
            "('$ns:$chan', 'users', true), ('news', 'public', true)"
        )
    migrate(empty)
    settings.DATABASE_ROUTERS = [Router(empty)]
    found = list(Channel.objects.order_by("pk").values_list("name", "is_active"))
    assert found == [("$ns:chan", True), ("$ns:chan.duplicate-2", False), ("news", True)]
    migrate(empty, "instant", "0002")
    assert len(ask(empty, "SELECT * FROM instant_channel")) == 3
