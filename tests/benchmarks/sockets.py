"""Clients as raw as can be, so that what is measured is the server and not the client.

They speak as much of RFC 6455, of the server's JSON protocol and of HTTP as it takes to connect, to join channels, to
call, to answer pings and to see what is pushed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

_TEXT, _CLOSE = 1, 8
#: A client's frames are masked; a mask of zeros leaves the bytes as they are.
_MASK = b"\0\0\0\0"
#: Seconds until a client has to be there.
_PATIENCE = 30


class Socket(asyncio.Protocol):
    """A websocket; `joined` is done when it may be used."""

    def __init__(self, host: str, path: str, headers: str = "") -> None:
        self.host, self.path, self.headers = host, path, headers
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._open = False

    def on_open(self) -> None:
        """The handshake is done."""
        self.joined.set_result(None)

    def on_line(self, line: bytes) -> None:
        """The server said this."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET {self.path} HTTP/1.1\r\nHost: {self.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"{self.headers}Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head.splitlines()[0]:
                self.fail(head.decode())
                return
            self._open, self._buffer = True, rest
            self.on_open()
        for opcode, payload in self._frames():
            if opcode == _CLOSE:
                self.fail(f"closed by the server: {payload!r}")
            for line in payload.split(b"\n") if opcode == _TEXT else ():
                self.on_line(line)

    def connection_lost(self, error: Exception | None) -> None:
        self.fail(f"connection lost: {error}")

    def _frames(self) -> Iterator[tuple[int, bytes]]:
        while len(self._buffer) >= 2:
            start, length = 2, self._buffer[1] & 127
            if length >= 126:
                start = 4 if length == 126 else 10
                if len(self._buffer) < start:
                    return
                length = int.from_bytes(self._buffer[2:start], "big")
            if len(self._buffer) < start + length:
                return
            opcode, payload = self._buffer[0] & 15, self._buffer[start : start + length]
            self._buffer = self._buffer[start + length :]
            yield opcode, payload

    def send(self, command: object) -> None:
        """Write a frame."""
        payload = json.dumps(command).encode()
        size = len(payload)
        head = bytes([129, 128 | size]) if size < 126 else bytes([129, 254]) + size.to_bytes(2, "big")
        self.transport.write(head + _MASK + payload)

    def fail(self, reason: str) -> None:
        """It will not come to anything any more."""
        if not self.joined.done():
            self.joined.set_exception(ConnectionError(reason))


class Subscriber(Socket):
    """Joins channels, each with its token; `joined` is done when the server says so, then `on_push` gets each line that
    is pushed, and `on_reply` the answers to what else was sent."""

    def __init__(self, host: str, token: str, channels: dict[str, str], on_push: Callable[[bytes], None]) -> None:
        super().__init__(host, "/connection/websocket")
        self.token, self.channels, self.on_push = token, channels, on_push
        self.on_reply: Callable[[dict[str, Any]], None] = lambda reply: None

    def on_open(self) -> None:
        self.send({"id": 1, "connect": {"token": self.token}})

    def on_line(self, line: bytes) -> None:
        if line.startswith(b'{"push"'):
            self.on_push(line)
        elif line == b"{}":
            self.send({})
        elif line:
            self._answered(json.loads(line))

    def _answered(self, reply: dict[str, Any]) -> None:
        if self.joined.done():
            self.on_reply(reply)
        elif "error" in reply:
            self.fail(str(reply["error"]))
        elif self.channels:
            channel, token = self.channels.popitem()
            self.send({"id": 2, "subscribe": {"channel": channel, "token": token}})
        else:
            self.joined.set_result(None)


def tokens(channel: str) -> tuple[str, dict[str, str]]:
    """Return the tokens of a visitor, to connect and to join `channel`."""
    from django.contrib.auth.models import AnonymousUser

    from instant.access.tokens import channel_token, connection_token

    return connection_token(AnonymousUser()), {channel: channel_token(channel, AnonymousUser())}


async def join(token: str, channels: dict[str, str], on_push: Callable[[bytes], None]) -> Subscriber:
    """Connect to the server that the settings name, and join `channels`."""
    return await opened(os.environ["BENCH_URL"], lambda host: Subscriber(host, token, dict(channels), on_push))


async def opened(url: str, make: Callable[[str], Any]) -> Any:
    """Connect to where `url` is by what `make` makes of its host, and return that when it may be used."""
    address = urlsplit(url)
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: make(address.netloc), address.hostname, address.port)
    await asyncio.wait_for(client.joined, _PATIENCE)
    return client
