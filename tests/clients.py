"""A client for tests that are not async: the official Python SDK on an event loop of its own thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

import centrifuge

from tests.waiting import PATIENCE

TIMEOUT = PATIENCE


class SyncClient(centrifuge.ClientEventHandler, centrifuge.SubscriptionEventHandler):
    """Connects on entry; `received` holds (channel, payload), `happened` what else was told, in order."""

    def __init__(self, url: str, token: str, get_token: Callable[[str], str] | None = None) -> None:
        self.url, self.token, self.get_token = url, token, get_token
        self.received: list[tuple[str, Any]] = []
        self.happened: list[tuple[str, int]] = []
        self.loop = asyncio.new_event_loop()
        self.ended = asyncio.Event()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def __enter__(self) -> SyncClient:
        self.thread.start()
        self.run(self._connect())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(TIMEOUT)
        self.loop.close()

    def run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(TIMEOUT)

    async def _connect(self) -> None:
        self.client = centrifuge.Client(f"{self.url}/connection/websocket", events=self, token=self.token, proxy=None)
        await self.client.connect()
        await self.client.ready(TIMEOUT)

    async def _close(self) -> None:
        await self.client.disconnect()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if rest:
            _, rest = await asyncio.wait(rest, timeout=1)  # the socket's closing handshake is among them
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)
        await asyncio.sleep(0.01)

    def join(self, channel: str, token: str = "") -> None:
        """Subscribe, and wait for the answer; a refusal is an AssertionError that holds its code."""
        self.run(self._join(channel, token))

    async def _join(self, channel: str, token: str) -> None:
        old = self.client.get_subscription(channel)
        if old is not None:
            self.client.remove_subscription(old)
        handler = _Subscription(self, channel)
        self.subscription = self.client.new_subscription(channel, events=handler, token=token)
        await self.subscription.subscribe()
        outcomes = [
            asyncio.ensure_future(outcome)
            for outcome in (self.subscription.ready(TIMEOUT), handler.over.wait(), self.ended.wait())
        ]
        done, _ = await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED, timeout=TIMEOUT)
        for task in outcomes[1:]:
            task.cancel()
        if outcomes[0] not in done or handler.over.is_set():
            outcomes[0].cancel()
            raise AssertionError(f"not subscribed to {channel}: {self.happened}")
        outcomes[0].result()

    def wait(self, condition: Callable[[], bool], what: str = "") -> None:
        deadline = time.monotonic() + TIMEOUT
        while not condition():
            if time.monotonic() > deadline:
                raise AssertionError(f"waited in vain {what}: {self.received} {self.happened}")
            time.sleep(0.01)

    def wait_for(self, event: str) -> int:
        """Wait for an event such as "unsubscribed $users", and return its code."""
        self.wait(lambda: any(name == event for name, _ in self.happened), f"for {event}")
        return next(code for name, code in self.happened if name == event)

    def texts(self) -> list[str]:
        return [payload.get("message") for _, payload in self.received]

    async def on_connected(self, ctx: centrifuge.ConnectedContext) -> None:
        self.happened.append(("connected", 0))

    async def on_connecting(self, ctx: centrifuge.ConnectingContext) -> None:
        self.happened.append(("connecting", ctx.code))

    async def on_disconnected(self, ctx: centrifuge.DisconnectedContext) -> None:
        self.happened.append(("disconnected", ctx.code))
        self.ended.set()

    async def on_error(self, ctx: Any) -> None:
        self.happened.append(("error", ctx.code))


class _Subscription(centrifuge.SubscriptionEventHandler):
    def __init__(self, client: SyncClient, channel: str) -> None:
        self.client, self.channel = client, channel
        self.over = asyncio.Event()

    async def on_publication(self, ctx: centrifuge.PublicationContext) -> None:
        self.client.received.append((self.channel, ctx.pub.data))

    async def on_subscribed(self, ctx: centrifuge.SubscribedContext) -> None:
        self.client.happened.append((f"subscribed {self.channel}", 0))

    async def on_unsubscribed(self, ctx: centrifuge.UnsubscribedContext) -> None:
        self.client.happened.append((f"unsubscribed {self.channel}", ctx.code))
        self.over.set()
