"""Many clients of the official Python SDK on one event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import centrifuge

from tests.waiting import PATIENCE, until


class Reader(centrifuge.ClientEventHandler, centrifuge.SubscriptionEventHandler):
    """One client of one channel: the texts that it got, in order, and whether it has joined now."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.joined, self.over = False, 0
        #: Joins again after which the server could not give back what was missed.
        self.unrecovered = 0

    async def start(self, url: str, token: str, channel: str, channel_token: str) -> None:
        self.client = centrifuge.Client(
            f"{url}/connection/websocket", events=self, token=token, proxy=None, max_reconnect_delay=1.0
        )
        self.subscription = self.client.new_subscription(channel, events=self, token=channel_token)
        await self.client.connect()
        await self.subscription.subscribe()

    async def on_publication(self, event: Any) -> None:
        self.texts.append(event.pub.data["message"])

    async def on_subscribed(self, event: Any) -> None:
        self.joined = True
        self.unrecovered += event.was_recovering and not event.recovered

    async def on_subscribing(self, event: Any) -> None:
        self.joined = False

    async def on_disconnected(self, event: Any) -> None:
        self.joined, self.over = False, event.code

    async def on_unsubscribed(self, event: Any) -> None:
        self.joined, self.over = False, event.code


@contextmanager
def reading(url: str, channel: str, tokens: Sequence[tuple[str, str]]) -> Iterator[list[Reader]]:
    """Run a client for each (connection token, channel token), once all have joined."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    readers = [Reader() for _ in tokens]

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(PATIENCE)

    async def start() -> None:
        pairs = zip(readers, tokens, strict=True)
        await asyncio.gather(*(reader.start(url, own, channel, other) for reader, (own, other) in pairs))

    async def end() -> None:
        await asyncio.gather(*(reader.client.disconnect() for reader in readers), return_exceptions=True)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if rest:
            _, rest = await asyncio.wait(rest, timeout=2)
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    try:
        run(start())
        until(lambda: all(reader.joined for reader in readers), "not all have joined")
        yield readers
    finally:
        run(end())
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()
