"""Fan-out: `python -m tests.benchmarks.crowd CHANNEL CLIENTS TIMES PID`: one message, and many subscribers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from statistics import median
from typing import Any

import django

from . import memory
from .server import Server

#: Sockets that are opened at once.
AT_ONCE = 50


def measured(server: Server, channel: str, clients: int, times: int) -> dict[str, float | None]:
    """Return the milliseconds until the last subscriber has a message, and the server's memory before and with them.

    Raises:
        RuntimeError: the process failed.
    """
    command = [sys.executable, "-m", "tests.benchmarks.crowd", channel, str(clients), str(times), str(server.pid or 0)]
    done = subprocess.run(command, env=server.environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no output"])[-1])
    figures: dict[str, float | None] = json.loads(done.stdout)
    return figures


async def gather(channel: str, clients: int, times: int, pid: int) -> dict[str, float | None]:
    """Let all join, publish, and wait until the last one has it; again and again."""
    from instant import apublish

    from .sockets import join, tokens

    audience = Audience(clients)
    before, pair, crowd = memory.resident_kb(pid), tokens(channel), []
    for start in range(0, clients, AT_ONCE):
        some = (join(*pair, audience.on_push) for _ in range(min(AT_ONCE, clients - start)))
        crowd += await asyncio.gather(*some)
    seconds = await audience.reached(lambda number: apublish(channel, f"message {number}"), times)
    during = memory.resident_kb(pid)
    for subscriber in crowd:
        subscriber.transport.abort()
    return {
        "clients": clients,
        "times": times,
        "p50": median(seconds) * 1e3,
        "worst": max(seconds) * 1e3,
        "server_kb_before": before,
        "server_kb_with_clients": during,
    }


class Audience:
    """So many clients, whose `on_push` is called with each line that any of them gets."""

    def __init__(self, clients: int) -> None:
        self.clients, self.arrived, self.everyone = clients, 0, asyncio.Event()

    def on_push(self, line: bytes) -> None:
        self.arrived += 1
        if self.arrived == self.clients:
            self.everyone.set()

    async def reached(self, send: Callable[[int], Awaitable[Any]], times: int) -> list[float]:
        """Send to all, and return the seconds until the last one has it: so many times, after a first one."""
        seconds = []
        for number in range(times + 1):
            self.arrived = 0
            self.everyone.clear()
            begin = time.perf_counter()
            await send(number)
            try:
                await asyncio.wait_for(self.everyone.wait(), 30)
            except asyncio.TimeoutError as error:
                raise RuntimeError(f"{self.arrived} of {self.clients} clients had it after 30 s") from error
            seconds.append(time.perf_counter() - begin)
            await asyncio.sleep(0.02)
            if self.arrived != self.clients:
                raise RuntimeError(f"{self.arrived} lines came, for {self.clients} clients")
        return seconds[1:]


def main() -> None:
    """Print the figures as JSON."""
    django.setup()
    channel, clients, times, pid = sys.argv[1], *(int(number) for number in sys.argv[2:5])
    sys.stdout.write(json.dumps(asyncio.run(gather(channel, clients, times, pid))) + "\n")


if __name__ == "__main__":
    main()
