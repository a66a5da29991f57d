"""The consumer in the rendered config, and how the server is told of the database."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings

from instant.centrifugo import binary, outbox_config, process
from instant.centrifugo.config import render
from instant.exceptions import InvalidSetting
from instant.testing import live_server
from tests.postgres import Cluster


@pytest.fixture(autouse=True)
def outbox(settings: Settings) -> None:
    settings.INSTANT_BROADCAST_WITH = "outbox"


@pytest.fixture
def dsn(monkeypatch: pytest.MonkeyPatch) -> Any:
    def made(**values: Any) -> str:
        own = {"NAME": "app", "HOST": "", "PORT": "", "USER": "", "PASSWORD": "", "OPTIONS": {}, **values}
        monkeypatch.setattr(connections["default"], "settings_dict", own)
        return str(outbox_config._dsn("default"))

    return made


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, "postgresql:///app"),
        ({"USER": "me"}, "postgresql://me@/app"),
        ({"HOST": "db", "PORT": 5433, "USER": "me"}, "postgresql://me@db:5433/app"),
        (
            {"NAME": "a/b c", "HOST": "10.0.0.1", "PORT": "5432", "USER": "m:e", "PASSWORD": "p@ss:w/o%?#[]ö "},
            "postgresql://m%3Ae:p%40ss%3Aw%2Fo%25%3F%23%5B%5D%C3%B6%20@10.0.0.1:5432/a%2Fb%20c",
        ),
        ({"HOST": "::1", "PORT": "5432"}, "postgresql://[::1]:5432/app"),
        (
            {"HOST": "/var/run/postgresql", "PORT": "5433", "USER": "me"},
            "postgresql://me@/app?host=%2Fvar%2Frun%2Fpostgresql&port=5433",
        ),
        (
            {"HOST": "db", "OPTIONS": {"sslmode": "verify-full", "sslrootcert": "/etc/ca.pem", "pool": True}},
            "postgresql://db/app?sslmode=verify-full&sslrootcert=%2Fetc%2Fca.pem",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_address_is_that_of_django(dsn: Any, values: dict[str, Any], expected: str) -> None:
    assert dsn(**values) == expected


@pytest.mark.parametrize(
    "values",
    [
        {"OPTIONS": {"service": "mine"}},
        {"OPTIONS": {"passfile": ".pgpass"}},
        {"HOST": "a,b"},
        {"NAME": ""},
    ],
    ids=str,
)
def test_what_the_server_cannot_be_told_asks_for_the_setting(dsn: Any, values: dict[str, Any]) -> None:
    with pytest.raises(InvalidSetting, match=r"DATABASES\['default'\].*set INSTANT_OUTBOX_DSN to \"postgresql://"):
        dsn(**values)


def test_the_consumer_is_rendered(postgres: str, settings: Settings) -> None:
    (found,) = render()["consumers"]
    assert found["name"] == "instant_outbox"
    assert found["postgresql"] == {
        "dsn": found["postgresql"]["dsn"],
        "outbox_table_name": "instant_outboxentry",
        "num_partitions": 4,
        "partition_select_limit": 100,
        "partition_poll_interval": "300ms",
        "partition_notification_channel": "instant_outbox",
    }
    settings.INSTANT_OUTBOX_DSN, settings.INSTANT_OUTBOX_PARTITIONS = "postgresql://elsewhere/app", 16
    (found,) = render()["consumers"]
    assert found["postgresql"]["dsn"] == "postgresql://elsewhere/app"
    assert found["postgresql"]["num_partitions"] == 16


def test_it_is_rendered_where_it_can_be_used_only(postgres: str, settings: Settings) -> None:
    assert "consumers" not in render(consumers=False)
    settings.INSTANT_BROADCAST_WITH = "python"
    assert "consumers" not in render()
    settings.INSTANT_BROADCAST_WITH, settings.DATABASE_ROUTERS = "outbox", []
    assert "consumers" not in render()


def test_the_server_takes_the_config(postgres: str, centrifugo: None) -> None:
    with process.config_file(render()) as path:
        process.check_config(binary.find_binary(), path)


@pytest.mark.parametrize("way", ["TCP", "Unix socket"])
def test_the_server_starts_with_it(cluster: Cluster, postgres: str, centrifugo: None, tmp_path: Path, way: str) -> None:
    """It looks for the database first, with a password of odd characters, and ends where it finds none."""
    if way == "Unix socket":
        connections[postgres].settings_dict["HOST"] = str(cluster.folder / "data")
    with live_server("centrifugo", log=tmp_path / "log"):
        pass
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    said = [line["message"] for line in lines if line["level"] not in ("info", "debug")]
    assert [message for message in said if "development build" not in message] == []


def test_the_devserver_starts_with_it(postgres: str) -> None:
    from instant.devserver.config import load

    load(copy.deepcopy(render(consumers=False)))
