"""`python -m tests.benchmarks.echo.client URL KIND COUNT SECONDS PIDS`: open sockets, and let them echo.

URL is that of the websockets server where KIND is "centrifugo/<name>", and of plain WebSockets otherwise. For SECONDS
all echo at once. PIDS, with commas, are processes whose memory is looked at. Prints JSON, then waits.
"""

from __future__ import annotations

import asyncio
import json
import random
import secrets
import sys
import time
from collections.abc import Callable
from statistics import median, quantiles
from typing import Any

import django

from .. import memory
from ..sockets import Socket, opened

#: Sockets that are opened at once; echoes one after another.
AT_ONCE, ECHOES = 50, 500
TEXT = "x" * 150


class Plain(Socket):
    """A plain WebSocket."""

    def __init__(self, host: str, path: str) -> None:
        super().__init__(host, path)
        self.on_echo: Callable[[], None] = lambda: None

    def on_line(self, line: bytes) -> None:
        self.on_echo()

    def say(self) -> None:
        self.send(TEXT)


class Stream(Plain):
    """A socket of the websockets server."""

    def __init__(self, host: str, name: str, token: str) -> None:
        super().__init__(host, "/connection/websocket")
        self.channel, self.token = f"ws:{name}:{secrets.token_hex(8)}", token
        self.number = 0

    def on_open(self) -> None:
        self.send({"id": 1, "connect": {"token": self.token}})

    def on_line(self, line: bytes) -> None:
        if line.startswith(b'{"push"'):
            self.on_echo()
        elif line == b"{}":
            self.send({})
        elif not self.joined.done() and line:
            self._answered(json.loads(line))

    def _answered(self, reply: dict[str, Any]) -> None:
        if "error" in reply:
            self.fail(str(reply["error"]))
        elif reply["id"] == 1:
            self.send({"id": 2, "subscribe": {"channel": self.channel, "data": {"data": None, "v": 1}}})
        else:
            self.joined.set_result(None)

    def say(self) -> None:
        envelope = {"n": self.number, "m": TEXT}
        self.number += 1
        self.send({"id": self.number + 2, "publish": {"channel": self.channel, "data": envelope}})


def maker(kind: str) -> Callable[[str], Plain]:
    """Return what makes a socket of this kind at a host."""
    transport, _, name = kind.partition("/")
    if transport != "centrifugo":
        return lambda host: Plain(host, f"/socket/{name}")
    django.setup()
    from django.contrib.auth.models import AnonymousUser

    from instant.access.tokens import connection_token

    token = connection_token(AnonymousUser())
    return lambda host: Stream(host, name, token)


async def gather(url: str, kind: str, count: int, seconds: float, pids: list[int]) -> dict[str, Any]:
    """Open so many, and return what it takes."""
    make, before = maker(kind), held(pids)
    begin = time.perf_counter()
    crowd: list[Plain] = []
    for start in range(0, count, AT_ONCE):
        crowd += await asyncio.gather(*(opened(url, make) for _ in range(min(AT_ONCE, count - start))))
    opening = time.perf_counter() - begin
    for each in crowd:
        await echo(each)
    delays = [await echo(random.choice(crowd)) for _ in range(ECHOES)]
    memory_kb = {pid: during - before[pid] for pid, during in held(pids).items()}
    return {
        "sockets": count,
        "opening": opening,
        "p50": median(delays) * 1e3,
        "p99": quantiles(delays, n=100)[98] * 1e3,
        "per_second": await together(crowd, seconds),
        "kb_a_socket": {pid: kb / count for pid, kb in memory_kb.items()},
        "kb": held(pids),
    }


async def echo(socket: Plain) -> float:
    """Return the seconds that one message takes, there and back."""
    came: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    socket.on_echo = lambda: came.set_result(None)
    begin = time.perf_counter()
    socket.say()
    await asyncio.wait_for(came, 30)
    return time.perf_counter() - begin


async def together(crowd: list[Plain], seconds: float) -> float:
    """Return the echoes per second of all sockets together; each sends when its echo is there."""
    count, over = 0, False

    def again(socket: Plain) -> None:
        nonlocal count
        count += 1
        if not over:
            socket.say()

    for each in crowd:
        each.on_echo = lambda each=each: again(each)  # type: ignore[misc]
        each.say()
    await asyncio.sleep(seconds / 3)  # until it flows
    before, begin = count, time.perf_counter()
    await asyncio.sleep(seconds)
    value = (count - before) / (time.perf_counter() - begin)
    over = True
    await asyncio.sleep(0.5)
    return value


def held(pids: list[int]) -> dict[int, int]:
    """The kilobytes that the processes hold."""
    return {pid: memory.resident_kb(pid) or 0 for pid in pids}


async def main() -> None:
    url, kind, count, seconds, pids = sys.argv[1:6]
    figures = await gather(url, kind, int(count), float(seconds), [int(pid) for pid in pids.split(",")])
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
