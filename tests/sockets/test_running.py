"""Where methods run, in which order, and how many database connections open sockets hold."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import Any

import pytest
from django.db import connections
from pytest_django import Settings

from instant.sockets import EVERYONE, WebSocketHandler
from instant.testing import LiveServer
from tests.postgres import cluster, postgres  # noqa: F401 - fixtures
from tests.waiting import auntil, until

from . import handlers
from .clients import SocketClient
from .raw import crowd, session
from .running import RunningWorker

THREADS = 4
COUNT = 60

where: list[tuple[Any, int]] = []
together = threading.Barrier(THREADS)
language: ContextVar[str] = ContextVar("language", default="none")


class Where(WebSocketHandler):
    """Tells in which thread it is."""

    permission = EVERYONE

    def on_connect(self) -> None:
        language.set(self.client_id)
        self.tell()

    def on_message(self, message: Any) -> None:
        assert language.get() == self.client_id
        self.tell()
        if message == "together":
            together.wait(20)
        self.send(threading.get_ident())

    def on_close(self) -> None:
        self.tell()

    def tell(self) -> None:
        where.append((self.client_id, threading.get_ident()))


class AsyncWhere(Where):
    async def on_message(self, message: Any) -> None:  # type: ignore[override]
        self.tell()
        self.send(threading.get_ident())


@pytest.fixture
def site(site: Settings) -> Settings:
    ours = {"where": f"{__name__}.Where", "asyncwhere": f"{__name__}.AsyncWhere"}
    site.INSTANT_SOCKET_HANDLERS = {**handlers.HANDLERS, **ours}
    where.clear()
    together.reset()
    return site


@pytest.fixture(params=["dev"])
def live(live: LiveServer) -> LiveServer:
    """What is shown here is the worker's; one server is enough."""
    return live


def test_plain_methods_run_in_threads_and_async_ones_on_the_loop(client: SocketClient, worker: RunningWorker) -> None:
    client.open("where")
    client.send("hello")
    assert client.messages(1)[0] != worker.thread.ident
    client.open("asyncwhere")
    client.send("hello")
    assert client.messages(1)[0] == worker.thread.ident


def test_plain_methods_of_several_sockets_run_at_the_same_time(live: LiveServer, worker: RunningWorker) -> None:
    async def meet() -> list[Any]:
        async with session() as http:
            sockets = await crowd(http, live.websocket_url, "where", THREADS)
            for socket in sockets:
                await socket.send("together")
            names = [await socket.receive() for socket in sockets]
            for socket in sockets:
                await socket.close()
            return names

    assert len(set(asyncio.run(meet()))) == THREADS


def test_a_slow_method_holds_up_nobody_else(live: LiveServer, worker: RunningWorker, told: list[Any]) -> None:
    with SocketClient(live.websocket_url) as slow, SocketClient(live.websocket_url) as other:
        slow.open("story")
        slow.send("slow")
        until(lambda: ("message", "slow") in told)
        other.open("echo")
        other.send("alive")
        assert other.messages(1) == ["alive"]
        handlers.release.set()


def test_threaded_gives_each_socket_a_thread_of_its_own(live: LiveServer, site: Settings) -> None:
    async def talk(worker: RunningWorker) -> None:
        before = threading.active_count()
        async with session() as http:
            sockets = await crowd(http, live.websocket_url, "where", 20)
            for socket in sockets:
                for _ in range(3):
                    await socket.send("hello")
            names = {await socket.receive() for socket in sockets for _ in range(3)}
            assert len(names) == 20
            for socket in sockets:
                await socket.close()
            await auntil(lambda: len(worker) == 0)
            await auntil(lambda: threading.active_count() <= before)

    with RunningWorker(threaded=True) as worker:
        asyncio.run(talk(worker))
    of_clients: dict[Any, set[int]] = {}
    for client, thread in where:
        of_clients.setdefault(client, set()).add(thread)
    assert len(of_clients) == 20
    assert {len(threads) for threads in of_clients.values()} == {1}  # on_connect and on_close are in it, too


class TestDatabase:
    """Seen from the database: PostgreSQL knows who is connected to it."""

    def connected(self, alias: str) -> int:
        with connections[alias].cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
            (count,) = cursor.fetchone()
        return int(count) - 1  # this one

    @pytest.mark.parametrize(
        ("name", "options", "max_age", "most"),
        [
            ("counting", {}, None, THREADS),
            ("counting", {}, 0, 0),
            ("counting", {"threaded": True}, None, 0),
            ("asynccounting", {}, None, 1),
            ("asynccounting", {}, 0, 0),
        ],
        ids=["threads", "threads, closed", "threaded", "async", "async, closed"],
    )
    def test_open_sockets_hold_as_many_connections_as_there_are_threads(
        self,
        live: LiveServer,
        site: Settings,
        postgres: str,  # noqa: F811
        name: str,
        options: Any,
        most: int,
        max_age: Any,
    ) -> None:
        async def talk() -> None:
            async with session() as http:
                sockets = await crowd(http, live.websocket_url, name, COUNT, at_once=20)
                for socket in sockets:
                    await socket.send("how many")
                    assert await socket.receive() == 0
                loop = asyncio.get_running_loop()
                deadline = loop.time() + 20
                while await loop.run_in_executor(None, self.connected, postgres) > most:
                    assert loop.time() < deadline
                    await asyncio.sleep(0.05)
                await loop.run_in_executor(None, connections.close_all)
                for socket in sockets:
                    await socket.close()

        connections.databases[postgres]["CONN_MAX_AGE"] = max_age
        with RunningWorker(threads=THREADS, **options) as worker:
            asyncio.run(talk())
            until(lambda: len(worker) == 0)
