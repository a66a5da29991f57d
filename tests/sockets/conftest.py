from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django import Settings

from instant.centrifugo.config import render
from instant.testing import LiveServer
from instant.testing.live_servers import free_port
from tests.conftest import need_server

from . import handlers
from .clients import SocketClient
from .running import RunningWorker


@pytest.fixture(autouse=True)
def told() -> Iterator[list[tuple[str, Any]]]:
    """What happened to the handlers of this test."""
    handlers.happened.clear()
    handlers.release.clear()
    yield handlers.happened
    handlers.release.set()


@pytest.fixture
def site(settings: Settings) -> Settings:
    """A site with all handlers, and addresses of its own."""
    settings.INSTANT_SOCKET_HANDLERS = handlers.HANDLERS
    settings.INSTANT_ALLOW_ANONYMOUS = True
    settings.CENTRIFUGO_HOST, settings.CENTRIFUGO_PORT = "http://127.0.0.1", free_port()
    settings.INSTANT_SOCKETS_URL = f"grpc://127.0.0.1:{free_port()}"
    settings.INSTANT_SOCKETS_BRIDGE = f"http://127.0.0.1:{free_port()}"
    return settings


@pytest.fixture
def worker(site: Settings) -> Iterator[RunningWorker]:
    """A worker in a thread of its own."""
    with RunningWorker() as running:
        yield running


@pytest.fixture(params=["dev", "centrifugo"])
def live(request: pytest.FixtureRequest, site: Settings) -> Iterator[LiveServer]:
    """A websockets server of each kind, which the site's settings point at."""
    need_server(request.param)
    running = LiveServer(request.param, render())
    running.start()
    yield running
    running.stop()


@pytest.fixture
def ann(transactional_db: None) -> User:
    return User.objects.create_user("ann")


@pytest.fixture
def client(live: LiveServer, worker: RunningWorker) -> Iterator[SocketClient]:
    """A visitor."""
    with SocketClient(live.websocket_url) as visitor:
        yield visitor
