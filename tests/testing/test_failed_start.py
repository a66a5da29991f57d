"""A server that does not start leaves nothing behind."""

from __future__ import annotations

import socket

import pytest
from pytest_django import Settings

from instant.centrifugo import offline
from instant.centrifugo.config import render
from instant.exceptions import ServerFailed
from instant.testing import LiveServer


def test_a_server_that_does_not_start_opens_no_way_out(settings: Settings) -> None:
    settings.INSTANT_BROADCAST_WITH = "memory"
    assert offline.is_silent()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises((OSError, ServerFailed)):
            LiveServer("dev", render(port=taken.getsockname()[1])).start()
    assert offline.is_silent()
