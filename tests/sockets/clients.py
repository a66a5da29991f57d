"""A socket as `instant.socket()` has it, on the official Python SDK: envelopes, numbers, the last word."""

from __future__ import annotations

import asyncio
import secrets
from typing import Any

from django.contrib.auth.models import AnonymousUser

from instant.access.tokens import connection_token
from tests.clients import TIMEOUT, SyncClient, _Subscription

#: Messages without an answer, at most.
WINDOW = 500


class SocketClient(SyncClient):
    """Connects on entry; `open()` opens a socket."""

    def __init__(self, url: str, user: Any = None, meta: Any = None) -> None:
        super().__init__(url, connection_token(user or AnonymousUser(), meta=meta))
        self.number = 0
        self.data: Any = {"v": 1}

    def open(self, name: str, data: Any = None) -> str:
        """Open a socket, and return its channel; a refusal is an AssertionError with its code."""
        channel = f"ws:{name}:{secrets.token_hex(8)}"
        self.data = {"data": data, "v": 1}
        self.number = 0
        self.join(channel)
        self.channel = channel
        return channel

    def begin_anew(self, name: str, data: Any) -> None:
        """Open a socket that may be closed again before anybody looks."""
        self.channel, self.data, self.number = f"ws:{name}:{secrets.token_hex(8)}", {"data": data, "v": 1}, 0
        self.run(self.begin(self.channel))

    async def _join(self, channel: str, token: str) -> None:
        make = self.client.new_subscription
        self.client.new_subscription = lambda *args, **kwargs: make(*args, **{**kwargs, "data": self.data})
        try:
            await super()._join(channel, token)
        finally:
            self.client.new_subscription = make

    def send(self, *messages: Any) -> None:
        """Send messages, without waiting for the answer to each."""
        self.run(self._send([self._envelope(message) for message in messages]))

    def send_raw(self, envelope: Any) -> None:
        self.run(self._send([envelope]))

    def _envelope(self, message: Any) -> dict[str, Any]:
        self.number += 1
        return {"n": self.number - 1, "m": message}

    async def _send(self, envelopes: list[Any], *, quietly: bool = False) -> None:
        free = asyncio.Semaphore(WINDOW)

        async def publish(envelope: Any) -> None:
            async with free:
                await self.subscription.publish(envelope, timeout=TIMEOUT)

        await asyncio.gather(*map(publish, envelopes), return_exceptions=quietly)

    def send_quietly(self, *messages: Any) -> None:
        """Send messages to a socket that may end meanwhile."""
        self.run(self._send([self._envelope(message) for message in messages], quietly=True))

    def send_and_close(self, *messages: Any) -> None:
        """Send messages, and behind them that this is the end."""
        envelopes = [self._envelope(message) for message in messages]
        self.run(self._send([*envelopes, {"n": self.number, "c": [1000, ""]}], quietly=True))

    async def begin(self, channel: str) -> None:
        """Subscribe, and wait for nothing."""
        self.subscription = self.client.new_subscription(channel, events=_Listening(self, channel), data=self.data)
        await self.subscription.subscribe()

    def leave_all(self) -> None:
        for subscription in list(self.client.subscriptions().values()):
            self.run(subscription.unsubscribe())

    def leave(self) -> None:
        self.run(self.subscription.unsubscribe())

    def messages(self, count: int) -> list[Any]:
        """Wait for so many messages in all, and return them."""
        self.wait(lambda: len(self._got()) >= count, f"for {count} messages")
        return self._got()

    def _got(self) -> list[Any]:
        return [payload["m"] for channel, payload in self.received if channel == self.channel and "m" in payload]

    def closed(self) -> list[Any]:
        """Wait for the last envelope and the end of the subscription, and return the code and reason."""
        assert self.wait_for(f"unsubscribed {self.channel}") == 2000
        return next(payload["c"] for channel, payload in self.received if channel == self.channel and "c" in payload)


class _Listening(_Subscription):
    async def on_subscribing(self, ctx: Any) -> None:
        self.client.happened.append((f"subscribing {self.channel}", ctx.code))

    async def on_error(self, ctx: Any) -> None:
        self.client.happened.append(("error", getattr(ctx.error, "code", 0)))
