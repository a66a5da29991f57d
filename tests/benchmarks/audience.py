"""`python -m tests.benchmarks.audience KIND CLIENTS TIMES SENDER…`: windows, and a process that triggers for them."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import django

from .crowd import AT_ONCE, Audience
from .sockets import Socket, join, opened

OnPush = Callable[[bytes], None]


class Member(Socket):
    """A window of django-channels: it is in the group when the first line has come."""

    on_push: OnPush

    def on_open(self) -> None:
        """The first line says more."""

    def on_line(self, line: bytes) -> None:
        if self.joined.done():
            self.on_push(line)
        else:
            self.joined.set_result(None)


def opener(kind: str) -> Callable[[int, OnPush], Awaitable[Any]]:
    """Return what opens a window, by its number. "shared" ones have BROADCAST, of "own" ones each has its own topic."""
    from django.contrib.auth.models import AnonymousUser

    from instant.access.tokens import channel_token, connection_token
    from instant.windows import BROADCAST, WindowInfo
    from instant.windows.topics import channel_of

    async def window(number: int, on_push: OnPush) -> Any:
        channel = channel_of(BROADCAST if kind == "shared" else number, WindowInfo()) or ""
        channels = {channel: channel_token(channel, AnonymousUser())}
        return await join(connection_token(AnonymousUser()), channels, on_push)

    async def member(number: int, on_push: OnPush) -> Any:
        def make(host: str) -> Member:
            socket = Member(host, "/crowd/")
            socket.on_push = on_push
            return socket

        return await opened(os.environ["BENCH_CHANNELS"], make)

    return member if kind == "channels" else window


async def gather(kind: str, clients: int, times: int, sender: list[str]) -> dict[str, float]:
    """Let all join, have the sender trigger, and wait until the last one has it; again and again."""
    one, audience, crowd = opener(kind), Audience(clients), list[Any]()
    for start in range(0, clients, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, clients))
        crowd += await asyncio.gather(*(one(number, audience.on_push) for number in numbers))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*sender, stdin=pipe, stdout=pipe)
    assert process.stdin is not None
    assert process.stdout is not None
    if (await process.stdout.readline()).strip() != b"ready":
        raise RuntimeError("the sender did not come up")

    async def send(number: int) -> None:
        assert process.stdin is not None
        process.stdin.write(b"%d\n" % number)

    seconds = await audience.reached(send, times)
    process.stdin.close()
    await process.wait()
    for socket in crowd:
        socket.transport.abort()
    return {"clients": clients, "times": times, "p50": median(seconds) * 1e3, "worst": max(seconds) * 1e3}


def main() -> None:
    """Print the figures as JSON."""
    django.setup()
    kind, clients, times, *sender = sys.argv[1:]
    sys.stdout.write(json.dumps(asyncio.run(gather(kind, int(clients), int(times), sender))) + "\n")


if __name__ == "__main__":
    main()
