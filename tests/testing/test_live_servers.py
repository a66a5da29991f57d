"""live_server(): a server of each kind for a test."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from instant import apublish, publish
from instant.conf import conf
from instant.exceptions import ServerFailed
from instant.testing import live_server
from tests.conftest import need_server


def test_a_live_server_is_published_to(server_kind: Any) -> None:
    with live_server(server_kind) as server:
        assert conf.server_url == server.url
        assert publish("public", "hi") is None
        assert asyncio.run(apublish("public", "hi")) is None
    assert conf.CENTRIFUGO_PORT == 8427


def test_two_live_servers_are_two(server_kind: Any) -> None:
    with live_server(server_kind) as first, live_server(server_kind) as second:
        assert first.port != second.port
        first.stop()
        assert publish("public", "to the second") is None


def test_a_live_server_that_refuses_its_config_says_so_at_once() -> None:
    need_server("centrifugo")
    with (
        pytest.raises(ServerFailed, match="centrifugo server"),
        live_server("centrifugo", options={"client": {"ping_interval": "1s", "pong_timeout": "5s"}}),
    ):
        pass
