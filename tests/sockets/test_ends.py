"""However a socket ends, its handler's on_close is called once: clients, servers and workers that go, or are lost."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from typing import Any

import aiohttp
import pytest
from pytest_django import Settings

from instant.testing import LiveServer
from tests.waiting import auntil, until

from . import handlers
from .clients import SocketClient
from .raw import RawSocket, crowd, session
from .running import RunningWorker, killable

#: Sockets that are open at once. `make bench` opens 1,000.
COUNT = 200


def closes(told: list[Any]) -> int:
    return sum(event == "close" for event, _ in told)


async def opened(url: str, http: aiohttp.ClientSession, told: list[Any]) -> list[RawSocket]:
    """Open sockets, and wait until the handler of each has had a message."""
    sockets = await crowd(http, url, "story", COUNT)
    for socket in sockets:
        await socket.send("hello")
    await auntil(lambda: told.count(("message", "hello")) == COUNT)
    return sockets


async def all_closed_once(told: list[Any], worker: RunningWorker) -> None:
    await auntil(lambda: closes(told) >= COUNT)
    await auntil(lambda: len(worker) == 0)
    connects = Counter(client for event, client in told if event == "connect")
    assert Counter(client for event, client in told if event == "close") == connects
    assert set(connects.values()) == {1}
    assert len(connects) == COUNT


async def test_clients_that_are_killed(live: LiveServer, worker: RunningWorker, told: list[Any]) -> None:
    async with session() as http:
        for socket in await opened(live.websocket_url, http, told):
            await socket.abort()
        await all_closed_once(told, worker)


async def test_a_server_that_ends(live: LiveServer, worker: RunningWorker, told: list[Any]) -> None:
    async with session() as http:
        sockets = await opened(live.websocket_url, http, told)
        await asyncio.get_running_loop().run_in_executor(None, live.stop)
        await all_closed_once(told, worker)
        for socket in sockets:
            await socket.close()


@pytest.mark.usefixtures("centrifugo")
async def test_a_server_that_is_killed(worker: RunningWorker, told: list[Any]) -> None:
    with killable() as (server, url):
        async with session() as http:
            sockets = await opened(url, http, told)
            server.kill()
            await all_closed_once(told, worker)
            for socket in sockets:
                await socket.close()


@pytest.mark.usefixtures("centrifugo")
def test_a_server_that_is_lost(site: Settings, told: list[Any]) -> None:
    """A host that is gone closes no connection. A process that stands still looks like one to gRPC."""
    with (
        killable() as (server, url),
        RunningWorker(keepalive=(1.0, 1.0)) as worker,
        SocketClient(url) as client,
    ):
        client.open("story")
        client.send("hello")
        until(lambda: ("message", "hello") in told)
        server.send_signal(signal.SIGSTOP)
        try:
            until(lambda: closes(told) == 1)
            until(lambda: len(worker) == 0)
        finally:
            server.send_signal(signal.SIGCONT)


@pytest.mark.usefixtures("centrifugo")
def test_a_server_that_says_nothing_for_long_is_not_lost(site: Settings, told: list[Any]) -> None:
    with killable() as (_, url), RunningWorker(keepalive=(0.3, 1.0)), SocketClient(url) as client:
        client.open("story")
        time.sleep(2)  # nothing is to happen
        client.send("count")
        assert client.messages(1) == [1]
        assert closes(told) == 0


def test_a_worker_that_stops(live: LiveServer, site: Settings, told: list[Any]) -> None:
    with RunningWorker() as worker, SocketClient(live.websocket_url) as client:
        client.open("story")
        client.send("hello")
        until(lambda: ("message", "hello") in told)
        worker.stop()
        assert worker.left == 0
    assert closes(told) == 1


def test_a_handler_that_does_not_end(
    live: LiveServer, site: Settings, told: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    with RunningWorker(patience=0.3) as worker, SocketClient(live.websocket_url) as client:
        client.open("story")
        client.send("slow")
        until(lambda: ("message", "slow") in told)
        worker.stop()
        assert worker.left == 1
    assert "1 sockets did not end within 0.3 seconds" in caplog.text
    handlers.release.set()


def test_a_worker_that_is_away_and_comes_back(live: LiveServer, caplog: pytest.LogCaptureFixture) -> None:
    with SocketClient(live.websocket_url) as client:
        client.data = {"v": 1}
        client.run(client.begin("ws:echo:1"))
        client.wait(lambda: ("error", 100) in client.happened, "for error 100")
        with RunningWorker():
            client.wait(lambda: ("subscribed ws:echo:1", 0) in client.happened)
        # Its end is no close: the client comes back by itself.
        client.wait(lambda: ("subscribing ws:echo:1", 2500) in client.happened, "for 2500")
        with RunningWorker():
            client.wait(lambda: client.happened.count(("subscribed ws:echo:1", 0)) == 2)
        assert not [event for event, _ in client.happened if event.startswith("unsub")]
