"""From publish() to a subscriber on the same host: `python -m tests.benchmarks.latency listen|send CHANNEL COUNT`."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from contextlib import suppress
from statistics import quantiles

import django

from .server import Server

#: Seconds between two messages.
SPACING = 0.002
#: Seconds without a message after which those that are missing do not come any more.
SILENCE = 10.0
WARM_UP = 50


def measured(server: Server, backend: str, channel: str, count: int) -> dict[str, float]:
    """Return p50 and p99 in milliseconds, and how many arrived of how many.

    Raises:
        RuntimeError: one of the two processes failed, or messages got lost.
    """
    module = [sys.executable, "-m", "tests.benchmarks.latency"]
    environment = server.environment(backend)
    listener = subprocess.Popen(
        [*module, "listen", channel, str(count)], stdout=subprocess.PIPE, env=environment, text=True
    )
    with listener:
        try:
            assert listener.stdout is not None
            if listener.stdout.readline().strip() != "joined":
                raise RuntimeError("nobody could subscribe")
            sent = subprocess.run(
                [*module, "send", channel, str(count)], env=environment, capture_output=True, text=True, check=False
            )
            if sent.returncode:
                raise RuntimeError((sent.stderr.strip().splitlines() or ["no output"])[-1])
            figures: dict[str, float] = json.loads(listener.stdout.readline())
        finally:
            listener.terminate()
    if figures["received"] < count:
        raise RuntimeError(f"{figures['received']} of {count} messages arrived")
    return figures


async def listen(channel: str, count: int) -> None:
    """Note when each message comes; a message tells when it was sent, by the clock that all processes share."""
    from .sockets import join, tokens

    delays: list[float] = []
    news = asyncio.Event()

    def on_push(line: bytes) -> None:
        now = time.monotonic_ns()
        sent = json.loads(line)["push"]["pub"]["data"]["data"]["sent"]
        if sent:
            delays.append((now - sent) / 1e6)
        news.set()

    await join(*tokens(channel), on_push)
    sys.stdout.write("joined\n")
    sys.stdout.flush()
    with suppress(asyncio.TimeoutError):
        while len(delays) < count:
            await asyncio.wait_for(news.wait(), SILENCE)
            news.clear()
    cuts = quantiles(delays, n=100, method="inclusive") if len(delays) > 1 else [0.0] * 99
    sys.stdout.write(json.dumps({"p50": cuts[49], "p99": cuts[98], "received": len(delays), "sent": count}) + "\n")
    sys.stdout.flush()


def send(channel: str, count: int) -> None:
    """Publish now and then, as a site does that is not busy."""
    from django.db import transaction

    from instant import flush, publish

    def one(sent: int) -> None:
        with transaction.atomic():
            publish(channel, data={"sent": sent})

    for _ in range(WARM_UP):
        one(0)
        time.sleep(SPACING)
    for _ in range(count):
        one(time.monotonic_ns())
        time.sleep(SPACING)
    if not flush(30):
        raise SystemExit("flush() did not see everything acknowledged")


def main() -> None:
    """Be the one or the other process."""
    django.setup()
    role, channel, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if role == "listen":
        asyncio.run(listen(channel, count))
    else:
        send(channel, count)


if __name__ == "__main__":
    main()
