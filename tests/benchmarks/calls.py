"""`python -m tests.benchmarks.calls CLIENTS COUNT BLOCKS KIND…`: clients that call an echo, each again once answered.

The kinds take turns, block by block: so a change of the machine's mood hits all alike.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from statistics import quantiles
from typing import Any

import django

from . import cpu
from .sockets import Socket, Subscriber, opened

#: Opens a client.
Maker = Callable[[], Awaitable[Any]]
#: Seconds until an answer has to be there.
_PATIENCE = 60


class Caller:
    """Has one call under way: `waiting` is its answer."""

    waiting: asyncio.Future[Any]

    def start(self) -> asyncio.Future[Any]:
        self.waiting = asyncio.get_running_loop().create_future()
        return self.waiting


class Rpc(Caller):
    """Over the websocket of the server, as a page does."""

    def __init__(self, socket: Subscriber) -> None:
        self.socket, self.last = socket, 2
        socket.on_reply = lambda reply: self.waiting.set_result(reply)

    async def call(self, number: int) -> Any:
        answer = self.start()
        self.last += 1
        self.socket.send({"id": self.last, "rpc": {"method": "bench.echo", "data": {"number": number}}})
        reply = await answer
        if "rpc" not in reply:
            raise RuntimeError(f"a call was answered with {reply}")
        return reply["rpc"]["data"]["value"]


class Channels(Caller, Socket):
    """Over the websocket of django-channels."""

    def on_line(self, line: bytes) -> None:
        self.waiting.set_result(json.loads(line))

    async def call(self, number: int) -> Any:
        answer = self.start()
        self.send({"number": number})
        return (await answer)["value"]


class Http(Caller, asyncio.Protocol):
    """A kept connection, and the parts of a request besides its body."""

    def __init__(self, host: str, path: str, headers: str) -> None:
        self.head = f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n{headers}"
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        self.joined.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, body = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        if b" 200 " not in head.splitlines()[0]:
            self.waiting.set_exception(ConnectionError(head.decode()))
        length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length:"))
        if len(body) == int(length.split()[1]):
            self._buffer = b""
            self.waiting.set_result(json.loads(body))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.waiting.done():
            self.waiting.set_exception(ConnectionError(f"connection lost: {error}"))

    def content(self, number: int) -> object:
        return {"number": number}

    def value(self, answer: Any) -> Any:
        return answer["value"]

    async def call(self, number: int) -> Any:
        answer, body = self.start(), json.dumps(self.content(number))
        self.transport.write(f"{self.head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        return self.value(await answer)


class Door(Http):
    """What the websockets server posts for a call, to the same view."""

    about: dict[str, Any]

    def content(self, number: int) -> object:
        return {**self.about, "method": "bench.echo", "data": {"number": number}}

    def value(self, answer: Any) -> Any:
        return answer["result"]["data"]["value"]


def identity() -> tuple[Any, str]:
    """Return the one user of the site, and a session's key."""
    from django.contrib.auth.models import User
    from django.test import Client

    user, _ = User.objects.get_or_create(username="bench")
    client = Client()
    client.force_login(user)
    return user, client.cookies["sessionid"].value


def openers() -> dict[str, Maker]:
    """Return what makes a client, by kinds."""
    from instant.access.session_binding import bound_meta
    from instant.access.tokens import connection_token
    from instant.conf import conf

    user, session = identity()
    meta = bound_meta(user, "s" * 32, "w" * 32)
    cookie = f"Cookie: sessionid={session}\r\n"
    site = os.environ["BENCH_SITE"]

    async def rpc() -> Rpc:
        token = connection_token(user, meta=meta)
        return Rpc(await opened(os.environ["BENCH_URL"], lambda host: Subscriber(host, token, {}, lambda line: None)))

    async def post() -> Any:
        return await opened(site, lambda host: Http(host, "/echo/", cookie))

    async def door() -> Any:
        headers = f"X-Instant-Secret: {conf.proxy_secret}\r\nUser-Agent: x\r\nAccept-Language: en\r\n"
        client = await opened(site, lambda host: Door(host, "/instant/proxy/rpc/", headers))
        about = {"client": "c" * 36, "transport": "websocket", "protocol": "json", "encoding": "json"}
        client.about = {**about, "user": str(user.pk), "meta": meta}
        return client

    async def channels(path: str) -> Any:
        return await opened(os.environ["BENCH_CHANNELS"], lambda host: Channels(host, path, cookie))

    return {
        "rpc": rpc,
        "post": post,
        "door": door,
        "channels": lambda: channels("/echo/"),
        "channels-user": lambda: channels("/echo-user/"),
    }


async def measured(makers: Mapping[str, Maker], clients: int, count: int, blocks: int) -> dict[str, dict[str, Any]]:
    """Return, of each kind, the calls per second of each block, and the WSGI server's CPU for one, in µs; and, one
    after the other, p50 and p99 in ms."""
    callers: dict[str, list[Any]] = {}
    for kind, make in makers.items():
        callers[kind] = [await make() for _ in range(clients)]
        await _block(callers[kind], count)  # at once: the WSGI server gives a thread to who has asked nothing yet
    seconds: dict[str, list[float]] = {kind: [] for kind in makers}
    worked = dict.fromkeys(makers, 0.0)
    pid = int(os.environ["BENCH_SITE_PID"])
    for _ in range(blocks):
        for kind, several in callers.items():
            before, begin = cpu.seconds(pid), time.perf_counter()
            await _block(several, count)
            seconds[kind].append(time.perf_counter() - begin)
            worked[kind] += cpu.seconds(pid) - before
    delays: dict[str, list[float]] = {kind: [] for kind in makers}
    for number in range(max(count, 100)):
        for kind, several in callers.items():
            delays[kind].append(await _timed(several[0], number))
    return {
        kind: {
            "per_second": [count / each for each in seconds[kind]],
            "site_us": worked[kind] / blocks / count * 1e6,
            **_cuts(delays[kind]),
        }
        for kind in makers
    }


def _cuts(delays: list[float]) -> dict[str, float]:
    cuts = quantiles(delays, n=100, method="inclusive")
    return {"p50": cuts[49] * 1e3, "p99": cuts[98] * 1e3}


async def _block(callers: list[Any], count: int) -> None:
    numbers = iter(range(count))

    async def some(caller: Any) -> None:
        for number in numbers:
            await _timed(caller, number)

    await asyncio.wait_for(asyncio.gather(*map(some, callers)), _PATIENCE)


async def _timed(caller: Any, number: int) -> float:
    begin = time.perf_counter()
    value = await caller.call(number)
    if value != number:
        raise RuntimeError(f"{value!r} is not {number!r}")
    return time.perf_counter() - begin


def main() -> None:
    """Print the figures as JSON."""
    django.setup()
    clients, count, blocks, *kinds = sys.argv[1:]
    makers = openers()
    chosen = {kind: makers[kind] for kind in kinds}
    sys.stdout.write(json.dumps(asyncio.run(measured(chosen, int(clients), int(count), int(blocks)))) + "\n")


if __name__ == "__main__":
    main()
