"""Start the devserver or a real Centrifugo with one config, and talk to either in raw JSON."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import shutil
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import jwt
import pytest

from instant.devserver.thread import ThreadedDevServer
from instant.testing.live_servers import free_port
from tests.waiting import PATIENCE

SECRET = "a-secret-for-tests-" + "0123456789" * 5
OLD_SECRET = "the-secret-before-" + "0123456789" * 5
KEY = "api-key-for-tests"
ORIGIN = "http://localhost:8000"
TIMEOUT = PATIENCE
UNKNOWN = {"code": 102, "message": "unknown channel"}

_OPEN = {"allow_subscribe_for_client": True, "allow_subscribe_for_anonymous": True}
_KEPT = {"history_size": 5, "history_ttl": "60s", "force_recovery": True}

CONFIG: dict[str, Any] = {
    "http_server": {"address": "127.0.0.1", "port": 0},
    "http_api": {"key": KEY},
    "health": {"enabled": True},
    "usage_stats": {"disabled": True},
    "log": {"level": "warn"},
    "client": {
        "token": {"hmac_secret_key": SECRET, "hmac_previous_secret_key": OLD_SECRET},
        "allowed_origins": [ORIGIN, "https://*.example.org", "http://dev.local:*"],
        "channel_limit": 6,
        "expired_close_delay": "1s",
        "expired_sub_close_delay": "1s",
        "presence_update_interval": "500ms",
        "stale_close_delay": "400ms",
        "recovery_max_publication_limit": 3,
        "history_max_publication_limit": 3,
        "queue_max_size": 20_000,
    },
    "channel": {
        "without_namespace": {"allow_subscribe_for_client": True},
        "namespaces": [
            {"name": "open", **_OPEN},
            {"name": "signed"},
            {"name": "hist", **_OPEN, **_KEPT, "allow_history_for_subscriber": True},
            {
                "name": "cache",
                **_OPEN,
                "history_size": 1,
                "history_ttl": "60s",
                "force_recovery": True,
                "force_recovery_mode": "cache",
                "auto_cache_recover": True,
            },
            {
                "name": "room",
                **_OPEN,
                "presence": True,
                "join_leave": True,
                "force_push_join_leave": True,
                "allow_presence_for_subscriber": True,
                "allow_publish_for_subscriber": True,
            },
            {
                "name": "talk",
                **_OPEN,
                **_KEPT,
                "allow_history_for_subscriber": True,
                "allow_publish_for_subscriber": True,
                "allow_publish_for_client": True,
                "allow_publish_for_anonymous": True,
            },
            {"name": "quiet", "presence": True, "join_leave": True, "allow_subscribe_for_client": True},
            {"name": "post", "allow_publish_for_client": True, "publication_data_format": "json_object"},
            {"name": "own", "allow_user_limited_channels": True, "allow_subscribe_for_client": True},
            {"name": "rx", **_OPEN, "channel_regex": "^[é-]+$"},
            {"name": "opt", **_OPEN, "history_size": 5, "history_ttl": "60s", "allow_recovery": True},
            {"name": "map", "subscription_type": "map", "map": {"mode": "recoverable", "key_ttl": "60s"}},
        ],
    },
}


def config(**sections: Any) -> dict[str, Any]:
    """Return CONFIG with keys of sections changed."""
    changed = copy.deepcopy(CONFIG)
    for name, keys in sections.items():
        changed.setdefault(name, {}).update(keys)
    return changed


def token(user: str | None = "42", key: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    """Sign a token; a claim of None is left out."""
    claims = {"sub": user, "exp": int(time.time()) + 600, **claims}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, key, algorithm)


@dataclass
class Peer:
    """A raw client. Pings are answered and kept from the caller, or else handed to it as `{}`."""

    socket: aiohttp.ClientWebSocketResponse
    answers_pings: bool = True
    result: dict[str, Any] = field(default_factory=dict)
    lines: list[dict[str, Any]] = field(default_factory=list)
    ids: int = 0

    async def send(self, *commands: dict[str, Any] | str) -> None:
        """Send commands in one frame."""
        texts = [item if isinstance(item, str) else json.dumps(item) for item in commands]
        await self.socket.send_str("\n".join(texts))

    async def ask(self, name: str, /, **body: Any) -> dict[str, Any]:
        """Send a command and return its result, or what stands in the reply's `error`."""
        self.ids += 1
        await self.send({"id": self.ids, name: body})
        reply = await self.reply(self.ids)
        return reply["error"] if "error" in reply else reply[name]

    async def reply(self, command_id: int) -> dict[str, Any]:
        """Wait for a reply; pushes before it are kept for `push()`."""
        passed = []
        while (line := await self.next()).get("id") != command_id:
            passed.append(line)
        self.lines = passed + self.lines
        return line

    async def push(self) -> dict[str, Any]:
        """Wait for the next push."""
        line = await self.next()
        assert "push" in line, line
        return line["push"]

    async def next(self) -> dict[str, Any]:
        """Wait for the next line of the server."""
        while not self.lines:
            message = await self.socket.receive(TIMEOUT)
            assert message.type is aiohttp.WSMsgType.TEXT, f"closed with {self.socket.close_code}"
            for line in map(json.loads, message.data.split("\n")):
                if line or not self.answers_pings:
                    self.lines.append(line)
                else:
                    await self.socket.send_str("{}")
        return self.lines.pop(0)

    async def outcome(self, name: str, /, **body: Any) -> Any:
        """Send a command; return its result, the code of its error, or the code the server closes with."""
        self.ids += 1
        await self.send({"id": self.ids, name: body})
        message = await self.socket.receive(TIMEOUT)
        if message.type is not aiohttp.WSMsgType.TEXT:
            return self.socket.close_code
        first, *others = map(json.loads, message.data.split("\n"))
        self.lines += others
        return first["error"]["code"] if "error" in first else first[name]

    async def quiet(self) -> None:
        """Assert that nothing else came: a command that fails is answered next."""
        assert await self.ask("presence", channel="unknown:x") == UNKNOWN
        assert self.lines == []

    async def close_code(self) -> int | None:
        """Wait until the server closes, and return its code; lines that come before are kept."""
        while True:
            message = await self.socket.receive(TIMEOUT)
            if message.type is not aiohttp.WSMsgType.TEXT:
                return self.socket.close_code
            if message.data == "{}" and self.answers_pings:
                await self.socket.send_str("{}")
            self.lines += filter(None, map(json.loads, message.data.split("\n")))


@dataclass
class Server:
    """A running server of either kind."""

    port: int
    kind: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.asynccontextmanager
    async def peer(self, user: str | None = "42", *, headers: Any = None, **connect: Any) -> AsyncIterator[Peer]:
        """Open a socket and, unless `user` is None, connect with a token."""
        async with aiohttp.ClientSession() as http:
            path = f"{self.url}/connection/websocket"
            async with http.ws_connect(path, headers=headers, max_msg_size=0, autoclose=True) as ws:
                peer = Peer(ws)
                if user is not None:
                    result = await peer.ask("connect", **{"token": token(user), **connect})
                    assert "client" in result, result
                    peer.result = result
                yield peer

    async def api(self, method: str, /, **body: Any) -> dict[str, Any]:
        """Call the API and return the result, or the error."""
        reply = json.loads((await self.http(f"/api/{method}", body))[1])
        return reply.get("error") or reply.get("result", reply)

    async def http(self, path: str, body: Any = b"", **options: Any) -> tuple[int, str]:
        """Make a request and return status and text."""
        headers = options.pop("headers", {"X-API-Key": KEY})
        data = body if isinstance(body, bytes) else json.dumps(body)
        method = options.pop("method", "POST")
        async with (
            aiohttp.ClientSession() as http,
            http.request(method, self.url + path, data=data, headers=headers) as response,
        ):
            return response.status, await response.text()


@contextlib.contextmanager
def running(kind: str, settings: dict[str, Any]) -> Iterator[Server]:
    """Run a server of a kind while the block runs."""
    if kind == "dev":
        with ThreadedDevServer(settings) as server:
            yield Server(server.port, kind)
    else:
        with _centrifugo(settings) as port:
            yield Server(port, kind)


@contextlib.contextmanager
def _centrifugo(settings: dict[str, Any]) -> Iterator[int]:
    binary = shutil.which("centrifugo")
    if binary is None:
        pytest.skip("no centrifugo on PATH: only the devserver was tried")
    port = free_port()
    settings = {**settings, "http_server": {"address": "127.0.0.1", "port": port}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(settings, file)
        file.flush()
        process = subprocess.Popen([binary, "-c", file.name], stderr=subprocess.DEVNULL)
        try:
            _await_health(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(PATIENCE)


def _await_health(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health"):
            return
        assert process.poll() is None, "centrifugo did not start"
        time.sleep(0.05)
    pytest.fail("centrifugo did not answer")


async def until(check: Any) -> Any:
    """Repeat the check until its answer is truthy, and return that."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := await check():
            return found
        await asyncio.sleep(0.02)
    return pytest.fail("it did not happen")
