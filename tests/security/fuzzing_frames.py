"""Random WebSocket messages and frames, on connections that are written byte by byte."""

from __future__ import annotations

import asyncio
import json
import random
import struct
from collections.abc import Callable
from typing import Any

from . import fuzzing

#: Seconds in which a server must answer a marker, or close.
PATIENCE = 20
_TEXT, _BINARY, _CLOSE, _PING, _PONG = 1, 2, 8, 9, 10

_COMMANDS: tuple[dict[str, Any], ...] = (
    {"id": 3, "connect": {"token": "", "data": {}, "name": "js", "subs": {"news": {"recover": True, "offset": 1}}}},
    {"id": 4, "subscribe": {"channel": "news", "token": "", "recover": True, "offset": 1, "epoch": "x"}},
    {"id": 4, "subscribe": {"channel": "ws:echo:1", "data": {"v": 1, "data": None}}},
    {"id": 5, "unsubscribe": {"channel": "news"}},
    {"id": 6, "publish": {"channel": "news", "data": {"a": 1}}},
    {"id": 6, "publish": {"channel": "ws:echo:1", "data": {"n": 0, "m": "x"}}},
    {"id": 7, "presence": {"channel": "news"}},
    {"id": 8, "presence_stats": {"channel": "news"}},
    {"id": 9, "history": {"channel": "news", "limit": 1, "since": {"offset": 1, "epoch": "x"}, "reverse": True}},
    {"id": 10, "rpc": {"method": "m", "data": {"result": {"data": 1, "b64data": "MQ=="}}}},
    {"id": 10, "rpc": {"method": "m", "data": {"error": {"code": 400, "message": "no", "temporary": False}}}},
    {"id": 10, "rpc": {"method": "m", "data": {"disconnect": {"code": 4000, "reason": "no"}}}},
    {"send": {"data": {}}},
    {"id": 11, "refresh": {"token": "a.b.c"}},
    {"id": 12, "sub_refresh": {"channel": "news", "token": "a.b.c"}},
)  # fmt: skip


def frame(payload: bytes, opcode: int = _TEXT, *, first: int | None = None, masked: bool = True) -> bytes:
    """Return a WebSocket frame of a client; `first` is its first byte, if it is not a whole message of `opcode`."""
    length, flag = len(payload), 128 if masked else 0
    head = bytes([0x80 | opcode if first is None else first])
    if length < 126:
        head += bytes([flag | length])
    elif length < 2**16:
        head += bytes([flag | 126]) + struct.pack("!H", length)
    else:
        head += bytes([flag | 127]) + struct.pack("!Q", length)
    return head + (bytes(4) if masked else b"") + payload  # a mask of zeros changes nothing


def raw(rng: random.Random) -> bytes:  # noqa: C901 - a list of cases
    """Return bytes that are no message: frames that break the rules of RFC 6455, or nothing of the kind."""
    payload = fuzzing.text(rng).encode("utf-8", "surrogatepass")
    match rng.randrange(10):
        case 0:
            return rng.randbytes(rng.choice((1, 3, 20, 500)))
        case 1:
            return frame(payload, masked=False)
        case 2:
            return frame(payload, first=rng.randrange(256))
        case 3:  # a length that never comes
            return b"\x81\xff" + struct.pack("!Q", rng.choice((2**63, 2**64 - 1, 2**31, 70_000))) + bytes(4) + payload
        case 4:
            return frame(rng.choice((b"", b"\x00", struct.pack("!H", rng.randrange(2**16)) + payload)), _CLOSE)
        case 5:
            return frame(rng.randbytes(rng.choice((0, 125, 126, 300))), rng.choice((_PING, _PONG)))
        case 6:
            return frame(payload, first=_TEXT) + frame(payload, first=rng.choice((0, 0x80, 0x81, 0x89)))
        case 7:
            return frame(rng.choice((b"\xff", b"\xed\xa0\x80", b"\xc3", b"\xf8\x88\x80\x80\x80")))
        case 8:
            return frame(b"x" * rng.choice((65_535, 65_536, 65_537, 65_538, 200_000)))
        case _:
            return frame(payload, _BINARY)


def commands(rng: random.Random) -> bytes:
    """Return a message of the client protocol: one command or more, a line each."""
    lines = [fuzzing.encoded(rng, rng.choice(_COMMANDS)) for _ in range(rng.choice((1, 1, 1, 2, 5)))]
    return "\n".join(lines).encode("utf-8", "replace")


def envelopes(rng: random.Random) -> bytes:
    """Return a message of a socket's stream, or text for a plain one."""
    good = rng.choice(({"n": 0, "m": "x"}, {"n": 0, "c": [1000, ""]}, {"v": 1, "data": None}))
    return fuzzing.encoded(rng, good).encode("utf-8", "replace")


def opening(rng: random.Random) -> bytes:
    """Return the message that opens a stream at the bridge."""
    question = {
        "client": "c",
        "channel": "ws:echo:1",
        "user": "1",
        "data": {"v": 1},
        "meta": {"session": "s"},
        "headers": {},
    }
    return fuzzing.encoded(rng, question).encode("utf-8", "replace")


class Connection:
    """One WebSocket, opened with these lines of a head besides the usual ones."""

    def __init__(self, port: int, path: str, *head: bytes) -> None:
        self._port, self._path, self._head = port, path, head

    async def __aenter__(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        lines = [
            b"GET " + self._path.encode("utf-8", "surrogatepass") + b" HTTP/1.1", b"Host: localhost",
            b"Upgrade: websocket",
            b"Connection: Upgrade", b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", *self._head,
        ]  # fmt: skip
        self.write(b"\r\n".join(lines) + b"\r\n\r\n")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    async def status(self) -> int:
        """Return the status of the handshake; 0 if the connection is closed instead."""
        try:
            head = await asyncio.wait_for(self._reader.readuntil(b"\r\n\r\n"), PATIENCE)
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0
        return int(head.split(b" ", 2)[1])

    def write(self, content: bytes) -> None:
        self._writer.write(content)

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next frame as its opcode and payload; None if the connection is closed."""
        try:
            first, length = await self._reader.readexactly(2)
            if length == 126:
                (length,) = struct.unpack("!H", await self._reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await self._reader.readexactly(8))
            return first & 15, await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def until(self, is_marker: Callable[[bytes], bool]) -> bool:
        """Return whether a marker came back; False if the server has closed.

        Raises:
            TimeoutError: neither has happened: the server hangs.
        """
        return await asyncio.wait_for(self._until(is_marker), PATIENCE)

    async def _until(self, is_marker: Callable[[bytes], bool]) -> bool:
        while (received := await self.receive()) is not None:
            opcode, payload = received
            if opcode == _CLOSE:
                return False
            if is_marker(payload):
                return True
        return False


_MARKER = 4_000_000_000


def _replies(payload: bytes) -> list[Any]:
    return [json.loads(line) for line in payload.splitlines() if line]


async def try_protocol(rng: random.Random, port: int, token: str) -> None:
    """Send random messages to the devserver; it must answer a command after them, or close.

    Raises:
        TimeoutError: it hangs.
    """
    async with Connection(port, "/connection/websocket") as connection:
        assert await connection.status() == 101
        is_known = rng.random() < 0.8
        if is_known:
            connection.write(frame(json.dumps({"id": 1, "connect": {"token": token}}).encode()))
            subscribe = {"id": 2, "subscribe": {"channel": "news"}}
            connection.write(frame(json.dumps(subscribe).encode()))
        if rng.random() < 0.15:
            connection.write(raw(rng))
            return  # a frame that is cut off is never answered
        connection.write(frame(commands(rng), rng.choice((_TEXT, _TEXT, _TEXT, _BINARY))))
        connection.write(frame(json.dumps({"id": _MARKER, "presence_stats": {"channel": "news"}}).encode()))
        # After a connect command that is refused, the server waits for the client to leave.
        await connection.until(
            lambda payload: any(
                reply.get("id") == _MARKER or (not is_known and "error" in reply) for reply in _replies(payload)
            )
        )


async def try_plain(rng: random.Random, port: int, number: int) -> None:
    """Send random handshakes and messages to a plain socket that echoes.

    Raises:
        TimeoutError: the bridge hangs.
    """
    head = []
    if rng.random() < 0.4:
        name = rng.choice((b"Cookie", b"Origin", b"Sec-WebSocket-Protocol", b"User-Agent", b"Accept-Language", b"Host"))
        prefix = rng.choice((b"", b"instant.", b"instant, instant.", b"sessionid=", b"http://"))
        head.append(name + b": " + prefix + fuzzing.header(rng).encode("latin-1"))
    path = (
        "/socket/echo"
        if rng.random() < 0.9
        else f"/socket/{''.join(filter(str.isprintable, fuzzing.text(rng)))}".replace(" ", "")
    )
    async with Connection(port, path[:2_000], *head) as connection:
        if await connection.status() != 101:
            return
        if rng.random() < 0.3:
            connection.write(raw(rng))
            return
        message, marker = envelopes(rng), b"marker %d" % number
        connection.write(frame(message, rng.choice((_TEXT, _TEXT, _TEXT, _BINARY))))
        connection.write(frame(marker))
        await connection.until(lambda payload: payload == marker)


async def try_stream(rng: random.Random, port: int, secret: str) -> None:
    """Send random streams to the bridge, as the devserver opens them.

    Raises:
        TimeoutError: the bridge hangs.
    """
    head = b"X-Instant-Secret: " + (secret.encode() if rng.random() < 0.95 else fuzzing.header(rng).encode("latin-1"))
    async with Connection(port, "/instant/stream", head) as connection:
        if await connection.status() != 101:
            return
        connection.write(frame(opening(rng)) if rng.random() < 0.8 else raw(rng))
        for _ in range(rng.choice((0, 1, 3))):
            connection.write(frame(envelopes(rng)))
        connection.write(frame(json.dumps({"n": 0, "m": "marker"}).encode()))
        connection.write(frame(b""))  # the client leaves
        if rng.random() < 0.5:
            connection.write(frame(b"", _CLOSE))
            await connection.until(lambda payload: False)


async def at_once(works: list[Callable[[], Any]], limit: int = 16) -> None:
    """Run these, so many at a time."""
    turns = asyncio.Semaphore(limit)

    async def run(work: Callable[[], Any]) -> None:
        async with turns:
            await work()

    await asyncio.gather(*map(run, works))
