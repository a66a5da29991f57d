"""A socket as raw as can be, for many at once: the server's JSON protocol over aiohttp."""

from __future__ import annotations

import asyncio
import json
import secrets
from typing import Any

import aiohttp
from django.contrib.auth.models import AnonymousUser

from instant.access.tokens import connection_token


class RawSocket:
    """One connection with one socket in it. `messages` is a queue of payloads; `refusal` holds an error."""

    def __init__(self, name: str) -> None:
        self.channel = f"ws:{name}:{secrets.token_hex(8)}"
        self.messages: asyncio.Queue[Any] = asyncio.Queue()
        self.number = 0
        self._ids = 2

    async def open(self, http: aiohttp.ClientSession, url: str, token: str) -> RawSocket:
        self._ws = await http.ws_connect(f"{url}/connection/websocket")
        await self._ws.send_str(json.dumps({"id": 1, "connect": {"token": token}}))
        await self._reply(1)
        subscribe = {"channel": self.channel, "data": {"data": None, "v": 1}}
        await self._ws.send_str(json.dumps({"id": 2, "subscribe": subscribe}))
        reply = await self._reply(2)
        if "error" in reply:
            raise ConnectionError(str(reply["error"]))
        self._reading = asyncio.create_task(self._read())
        return self

    async def _reply(self, number: int) -> dict[str, Any]:
        while True:
            text = await self._ws.receive_str(timeout=30)
            for line in text.splitlines():
                reply: dict[str, Any] = json.loads(line)
                if reply.get("id") == number:
                    return reply

    async def _read(self) -> None:
        async for message in self._ws:
            for line in message.data.splitlines():
                reply = json.loads(line)
                if reply == {}:
                    await self._ws.send_str("{}")
                publication = reply.get("push", {}).get("pub")
                if publication is not None:
                    self.messages.put_nowait(publication["data"])

    async def send(self, message: Any) -> None:
        self._ids += 1
        envelope = {"n": self.number, "m": message}
        self.number += 1
        publish = {"channel": self.channel, "data": envelope}
        await self._ws.send_str(json.dumps({"id": self._ids, "publish": publish}))

    async def receive(self) -> Any:
        return (await asyncio.wait_for(self.messages.get(), 30))["m"]

    async def abort(self) -> None:
        """End without a word, as a client that is killed."""
        transport = self._ws._conn and self._ws._conn.transport
        if transport is not None:
            transport.abort()
        await self.close()

    async def close(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._ws.close()


def session() -> aiohttp.ClientSession:
    """A session with as many connections as are asked for; there would be 100 otherwise."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))


async def crowd(http: aiohttp.ClientSession, url: str, name: str, count: int, at_once: int = 50) -> list[RawSocket]:
    """Open so many sockets."""
    token = connection_token(AnonymousUser())
    sockets: list[RawSocket] = []
    for start in range(0, count, at_once):
        some = (RawSocket(name).open(http, url, token) for _ in range(min(at_once, count - start)))
        sockets += await asyncio.gather(*some)
    return sockets
