"""A subscriber as raw as can be, so that what is measured is the server and not the client.

It speaks as much of RFC 6455 and of the server's JSON protocol as it takes to connect, to join one channel, to answer
pings and to see what is pushed.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

_TEXT, _CLOSE = 1, 8
#: A client's frames are masked; a mask of zeros leaves the bytes as they are.
_MASK = b"\0\0\0\0"


class Subscriber(asyncio.Protocol):
    """Joins one channel; `joined` is done when the server says so, then `on_push` gets each line that is pushed."""

    def __init__(self, host: str, tokens: tuple[str, str], channel: str, on_push: Callable[[bytes], None]) -> None:
        self.host, self.tokens, self.channel, self.on_push = host, tokens, channel, on_push
        self.joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._buffer = b""
        self._open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /connection/websocket HTTP/1.1\r\nHost: {self.host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            if b" 101 " not in head.splitlines()[0]:
                self._fail(head.decode())
                return
            self._open, self._buffer = True, rest
            self._send({"id": 1, "connect": {"token": self.tokens[0]}})
        for opcode, payload in self._frames():
            if opcode == _CLOSE:
                self._fail(f"closed by the server: {payload!r}")
            for line in payload.split(b"\n") if opcode == _TEXT else ():
                self._line(line)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"connection lost: {error}")

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

    def _line(self, line: bytes) -> None:
        if line.startswith(b'{"push"'):
            self.on_push(line)
        elif line == b"{}":
            self._send({})
        elif line:
            self._answered(json.loads(line))

    def _answered(self, reply: dict) -> None:
        if "error" in reply:
            self._fail(str(reply["error"]))
        elif reply["id"] == 1:
            self._send({"id": 2, "subscribe": {"channel": self.channel, "token": self.tokens[1]}})
        elif not self.joined.done():
            self.joined.set_result(None)

    def _send(self, command: dict) -> None:
        payload = json.dumps(command).encode()
        size = len(payload)
        head = bytes([129, 128 | size]) if size < 126 else bytes([129, 254]) + size.to_bytes(2, "big")
        self.transport.write(head + _MASK + payload)

    def _fail(self, reason: str) -> None:
        if not self.joined.done():
            self.joined.set_exception(ConnectionError(reason))


def tokens(channel: str) -> tuple[str, str]:
    """Return the tokens of a visitor, to connect and to join `channel`."""
    from django.contrib.auth.models import AnonymousUser

    from instant.token import channel_token, connection_token

    return connection_token(AnonymousUser()), channel_token(channel, AnonymousUser())


async def join(channel: str, pair: tuple[str, str], on_push: Callable[[bytes], None]) -> Subscriber:
    """Connect to the server that the settings name, and join `channel`."""
    address = urlsplit(os.environ["BENCH_URL"])
    loop = asyncio.get_running_loop()
    _, subscriber = await loop.create_connection(
        lambda: Subscriber(address.netloc, pair, channel, on_push), address.hostname, address.port
    )
    await asyncio.wait_for(subscriber.joined, 30)
    return subscriber
