"""A site with sockets: their worker, and pages that keep what happens to them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page
from pytest_django import Settings

from instant.sockets import EVERYONE, WebSocketHandler
from instant.testing.live_servers import free_port
from tests.browser.live_site import CLIENT, MIDDLEWARE, Site, Starter, until, wait_for
from tests.sockets import handlers
from tests.sockets.running import RunningWorker

#: A page that keeps what happens to each socket that it opens by `open()`.
PAGE = (
    "<!doctype html>"
    + CLIENT
    + """<script>
    function open(name, options) {
        const all = [], socket = instant.socket(name, options);
        for (const name of ["open", "message", "reconnecting", "error", "close"]) {
            socket.addEventListener(name, ({type, data, code, reason}) => all.push(
                type == "message" ? data : type == "close" ? [code, reason] : type));
        }
        socket.all = all;
        return socket;
    }
    </script>"""
)


class Mirror(WebSocketHandler):
    permission = EVERYONE

    def on_message(self, message: Any) -> None:
        if message == "close":
            self.close(4001, "as you wish")
        elif isinstance(message, str) and message.startswith("{"):
            self.send(json.loads(message))
        else:
            self.send(message)


class Chat(WebSocketHandler):
    """That of docs/sockets-js.md."""

    def on_message(self, message: Any) -> None:
        self.send({"text": message["text"], "room": self.data["room"]})


@pytest.fixture
def namespaces(transactional_db: None, settings: Settings, django: Starter, tmp_path: Any) -> Iterator[dict[str, Any]]:
    """Comes before the websockets server, which must know where the worker is."""
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, MIDDLEWARE]
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": [tmp_path]}]
    mine = {each.__name__.lower(): f"{__name__}.{each.__name__}" for each in (Mirror, Chat)}
    settings.INSTANT_SOCKET_HANDLERS = {**handlers.HANDLERS, **mine}
    settings.INSTANT_SOCKETS_URL = f"grpc://127.0.0.1:{free_port()}"
    settings.INSTANT_SOCKETS_BRIDGE = f"http://127.0.0.1:{free_port()}"
    settings.CSRF_TRUSTED_ORIGINS = [django.started().url]  # the bridge is at another port
    handlers.happened.clear()
    handlers.release.clear()
    yield {}
    handlers.release.set()


@pytest.fixture
def worker(site: Site) -> Iterator[RunningWorker]:
    site.write(sockets=PAGE)
    with RunningWorker() as running:
        yield running


def happened(page: Page, *expected: Any, socket: str = "socket") -> None:
    """Wait until all this has happened to a socket, and nothing else."""
    until(page, f"count => {socket}.all.length >= count", len(expected))
    assert page.evaluate(f"{socket}.all") == list(expected)


def ended(page: Page, count: int) -> list[Any]:
    """Wait for so many ends of handlers, and return what has happened."""
    of_handlers = handlers.happened
    wait_for(page, lambda: sum(name == "close" for name, _ in of_handlers) >= count, f"{count} ends in {of_handlers}")
    return list(of_handlers)
