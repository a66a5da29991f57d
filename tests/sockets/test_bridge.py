"""Plain WebSockets: paths, who comes in, what is told in close codes; and the devserver's door beside them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import aiohttp
import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django import Settings

from instant.access.session_binding import bound_meta
from instant.access.tokens import _signed, channel_token, connection_token
from instant.centrifugo.rpc_config import SECRET_HEADER
from instant.conf import conf
from instant.testing.live_servers import free_port
from instant.worker import websocket_bridge
from tests.waiting import PATIENCE, auntil

from . import handlers
from .running import RunningWorker

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(PATIENCE)) as session:
        yield session


def at(path: str) -> str:
    return conf.sockets_bridge + path


async def closing(socket: aiohttp.ClientWebSocketResponse[Any]) -> tuple[int | None, str]:
    """Wait for the end of a socket that says nothing more, and return its code and reason."""
    message = await socket.receive(PATIENCE)
    assert message.type is aiohttp.WSMsgType.CLOSE, message
    return message.data, message.extra or ""


async def status(http: aiohttp.ClientSession, path: str, **options: Any) -> int:
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await http.ws_connect(at(path), **options)
    return refused.value.status


async def test_text_goes_both_ways(worker: RunningWorker, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(at("/socket/echo")) as socket:
        for text in ("First msg", '{"not": "read"}', "é"):
            await socket.send_str(text)
            assert await socket.receive_str(timeout=PATIENCE) == text


async def test_what_is_no_text_is_sent_as_json(worker: RunningWorker, http: aiohttp.ClientSession) -> None:
    async with http.ws_connect(at("/socket/story")) as socket:
        await socket.send_str("who")
        told = json.loads(await socket.receive_str(timeout=PATIENCE))
        assert told == {"user": "", "data": None, "name": "story"}
        await socket.send_str("info")
        transport, _, meta, headers = json.loads(await socket.receive_str(timeout=PATIENCE))
        assert (transport, meta, list(headers)) == ("websocket", {}, ["user-agent"])


@pytest.mark.parametrize(
    ("pattern", "path", "wanted"),
    [
        (r"/socket/(?P<namespace>\w*)", "/socket/echo", "echo"),
        (r"/ws/(?P<namespace>[\w-]+)/?", "/ws/echo/", "echo"),
        (r"/socket", "/socket", "default"),
        (r"/socket/(?P<namespace>\w*)", "/socket/", "default"),
    ],
)
async def test_the_path_names_the_handler(
    site: Settings, http: aiohttp.ClientSession, pattern: str, path: str, wanted: str
) -> None:
    site.INSTANT_SOCKET_HANDLERS = {**handlers.HANDLERS, "default": handlers.HANDLERS["story"]}
    with RunningWorker(websocket_url=pattern):
        async with http.ws_connect(at(path)) as socket:
            await socket.send_str("who" if wanted == "default" else "echo")
            told = await socket.receive_str(timeout=PATIENCE)
            assert (told if wanted == "echo" else json.loads(told)["name"]) == wanted


async def test_a_path_of_nobody(worker: RunningWorker, http: aiohttp.ClientSession) -> None:
    assert await status(http, "/elsewhere") == 404
    assert await status(http, "/socket/a-b") == 404
    async with http.get(at("/socket/echo")) as answer:  # no WebSocket
        assert answer.status == 400


async def test_a_pattern_that_is_none(worker: RunningWorker) -> None:
    with pytest.raises(ValueError, match="not a regular expression"):
        websocket_bridge.Bridge(worker.serving.pool, "(")


async def test_a_refused_client_is_notified_by_a_close_code(worker: RunningWorker, http: aiohttp.ClientSession) -> None:
    """A browser does not tell a page the status of a handshake."""
    for name, wanted in {
        "nowhere": (4404, "there is no socket 'nowhere'"),
        "members": (4403, "permission denied"),
        "broken": (4500, "internal error"),
    }.items():
        async with http.ws_connect(at(f"/socket/{name}")) as socket:
            assert await closing(socket) == wanted


@pytest.mark.parametrize(("message", "code"), [("close", (4001, "as you wish")), ("fail", (4500, "internal error"))])
async def test_the_handler_ends_it(
    worker: RunningWorker, http: aiohttp.ClientSession, told: list[Any], message: str, code: tuple[int, str]
) -> None:
    async with http.ws_connect(at("/socket/story")) as socket:
        await socket.send_str(message)
        assert await closing(socket) == code
    await auntil(lambda: "close" in dict(told))


async def test_a_sender_is_notified_why_it_ended(worker: RunningWorker, http: aiohttp.ClientSession) -> None:
    """A line that is cut with something unread in it loses the close frame that went before."""
    for _ in range(10):
        async with http.ws_connect(at("/socket/story")) as socket:
            await socket.send_str("close")
            for _ in range(200):
                with suppress(ConnectionError):
                    await socket.send_str("x" * 1000)
            assert await closing(socket) == (4001, "as you wish")


async def test_a_worker_that_stops(site: Settings, http: aiohttp.ClientSession, told: list[Any]) -> None:
    with RunningWorker() as worker:
        async with http.ws_connect(at("/socket/story")) as socket:
            await auntil(lambda: len(worker) == 1)
            stopping = asyncio.get_running_loop().run_in_executor(None, worker.stop)
            assert await closing(socket) == (1001, "going away")
            await socket.close()
            await stopping
    assert [event for event, _ in told] == ["connect", "close"]


async def test_a_cap_on_open_sockets(worker: RunningWorker, site: Settings, http: aiohttp.ClientSession) -> None:
    site.INSTANT_SOCKETS_LIMIT = 1
    async with http.ws_connect(at("/socket/echo")) as first, http.ws_connect(at("/socket/echo")) as second:
        assert await closing(second) == (1013, "too many sockets are open")
        await first.send_str("alive")
        assert await first.receive_str(timeout=PATIENCE) == "alive"


async def test_bytes_and_what_is_too_long(worker: RunningWorker, http: aiohttp.ClientSession, told: list[Any]) -> None:
    async with http.ws_connect(at("/socket/story")) as socket:
        await socket.send_bytes(b"bytes")
        assert await closing(socket) == (1003, "text only")
    async with http.ws_connect(at("/socket/story")) as socket:
        await socket.send_str("x" * 65536)
        await auntil(lambda: "message" in dict(told))
        await socket.send_str("x" * 65537)
        assert (await closing(socket))[0] == 1009
    await auntil(lambda: len(worker) == 0)
    assert [event for event, _ in told].count("close") == 2


async def test_a_client_that_does_not_read(
    worker: RunningWorker, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    """A thread waits for it, not for ever; meanwhile memory is bounded, and others are served."""
    monkeypatch.setattr("instant.sockets.send_buffer.PATIENCE", 0.3)
    monkeypatch.setattr("instant.sockets.send_buffer.MOST_BYTES", 100_000)
    async with http.ws_connect(at("/socket/bulk")) as slow, http.ws_connect(at("/socket/echo")) as other:
        slow._conn.transport.pause_reading()  # type: ignore[union-attr]
        await slow.send_str("begin")
        await auntil(lambda: any(event == "unsent" for event, _ in handlers.happened))
        await other.send_str("alive")
        assert await other.receive_str(timeout=PATIENCE) == "alive"
        slow._conn.transport.abort()  # type: ignore[union-attr]
        await auntil(lambda: len(worker) == 1)
    assert "too many messages unsent" in caplog.text


class TestToken:
    async def connect(self, http: aiohttp.ClientSession, token: str, name: str = "members", **options: Any) -> Any:
        return http.ws_connect(at(f"/socket/{name}"), protocols=("instant", f"instant.{token}"), **options)

    async def test_it_says_who_comes(self, worker: RunningWorker, http: aiohttp.ClientSession, ann: User) -> None:
        async with await self.connect(http, connection_token(ann)) as socket:
            assert socket.protocol == "instant"  # never the token, in an answer that may be logged
            await socket.send_str("who am I")
            assert await socket.receive_str(timeout=PATIENCE) == "ann"

    async def test_it_needs_no_origin(self, worker: RunningWorker, http: aiohttp.ClientSession, ann: User) -> None:
        """Whoever has a token was given it; no browser adds it by itself."""
        async with await self.connect(http, connection_token(ann), origin="https://evil.example") as socket:
            await socket.send_str("who am I")
            assert await socket.receive_str(timeout=PATIENCE) == "ann"

    async def test_alone(self, worker: RunningWorker, http: aiohttp.ClientSession, ann: User) -> None:
        protocol = f"instant.{connection_token(ann)}"
        async with http.ws_connect(at("/socket/members"), protocols=(protocol,)) as socket:
            assert socket.protocol == protocol

    async def test_what_django_signed(self, worker: RunningWorker, http: aiohttp.ClientSession, ann: User) -> None:
        token = connection_token(ann, meta=bound_meta(ann, "s1", "w1", rights=""))
        async with await self.connect(http, token, "story") as socket:
            await socket.send_str("info")
            assert json.loads(await socket.receive_str(timeout=PATIENCE))[2]["window"] == "w1"

    async def test_one_that_is_not_good(
        self, worker: RunningWorker, http: aiohttp.ClientSession, ann: User, site: Settings
    ) -> None:
        for token in ("", "nonsense", channel_token("news", ann)):
            assert await status(http, "/socket/echo", protocols=("instant", f"instant.{token}")) == 401
        old = _signed(str(ann.pk), -60, {})
        assert await status(http, "/socket/echo", protocols=(f"instant.{old}",)) == 401

    async def test_visitors(self, worker: RunningWorker, http: aiohttp.ClientSession, site: Settings) -> None:
        token = connection_token(AnonymousUser())
        async with await self.connect(http, token, "echo") as socket:
            await socket.send_str("hello")
            assert await socket.receive_str(timeout=PATIENCE) == "hello"
        site.INSTANT_ALLOW_ANONYMOUS = False
        assert await status(http, "/socket/echo", protocols=(f"instant.{token}",)) == 401
        assert await status(http, "/socket/echo") == 401

    async def test_a_user_who_is_deactivated(
        self, worker: RunningWorker, http: aiohttp.ClientSession, ann: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await sync_to_async(User.objects.update)(is_active=False)
        async with await self.connect(http, connection_token(ann)) as socket:
            assert await closing(socket) == (4403, "permission denied")


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_bridge, "RECHECK", 0.1)


class TestCookie:
    @pytest.fixture
    def cookie(self, ann: User) -> dict[str, str]:
        browser = Client()
        browser.force_login(ann)
        return {"Cookie": f"other=1; sessionid={browser.cookies['sessionid'].value}"}

    async def test_it_says_who_comes(
        self, worker: RunningWorker, http: aiohttp.ClientSession, cookie: dict[str, str]
    ) -> None:
        async with http.ws_connect(at("/socket/members"), headers=cookie) as socket:
            await socket.send_str("who am I")
            assert await socket.receive_str(timeout=PATIENCE) == "ann"

    async def test_a_cookie_of_nobody(self, worker: RunningWorker, http: aiohttp.ClientSession, ann: User) -> None:
        for text in ("sessionid=nonsense", "sessionid=", "\xff;=;sessionid", 'a="'):
            async with http.ws_connect(at("/socket/members"), headers={"Cookie": text}) as socket:
                assert await closing(socket) == (4403, "permission denied")

    async def test_pages_of_other_sites(
        self, worker: RunningWorker, http: aiohttp.ClientSession, cookie: dict[str, str], site: Settings
    ) -> None:
        """A browser sends the cookie whichever page opens the socket."""
        path = "/socket/members"
        for origin in ("https://evil.example", "null", "http://127.0.0.1", "https://127.0.0.1:1"):
            assert await status(http, path, headers=cookie, origin=origin) == 403
        own = conf.sockets_bridge
        for origin in (own, "https://front.example.org"):  # the second one by CORS_ALLOWED_ORIGINS
            async with http.ws_connect(at(path), headers=cookie, origin=origin) as socket:
                await socket.send_str("who am I")
                assert await socket.receive_str(timeout=PATIENCE) == "ann"
        site.ALLOWED_HOSTS = ["example.org"]  # a name that somebody points at this machine is no host of ours
        assert await status(http, path, headers=cookie, origin=own) == 403
        site.DEBUG = True  # Django's own server is at another port
        async with http.ws_connect(at(path), headers=cookie, origin="http://localhost:8000"):
            pass
        assert await status(http, path, headers=cookie, origin="https://evil.example") == 403

    async def test_behind_a_proxy_with_tls(
        self, worker: RunningWorker, http: aiohttp.ClientSession, cookie: dict[str, str], site: Settings
    ) -> None:
        own = conf.sockets_bridge.replace("http://", "https://")
        headers = {**cookie, "X-Forwarded-Proto": "https"}
        assert await status(http, "/socket/members", headers=headers, origin=own) == 403
        site.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
        async with http.ws_connect(at("/socket/members"), headers=headers, origin=own):
            pass
        assert await status(http, "/socket/members", headers=cookie, origin=own) == 403

    @pytest.mark.parametrize("event", ["deactivated", "deleted", "logged out"])
    async def test_who_may_not_be_in_any_more(
        self, quickly: None, worker: RunningWorker, http: aiohttp.ClientSession, cookie: dict[str, str], event: str
    ) -> None:
        def happen() -> None:
            if event == "deactivated":
                User.objects.update(is_active=False)
            elif event == "deleted":
                User.objects.all().delete()
            else:
                Session.objects.all().delete()

        async with http.ws_connect(at("/socket/members"), headers=cookie) as socket:
            await socket.send_str("who am I")
            assert await socket.receive_str(timeout=PATIENCE) == "ann"
            await asyncio.sleep(0.3)  # he is looked at, and may stay
            await socket.send_str("who am I")
            assert await socket.receive_str(timeout=PATIENCE) == "ann"
            await sync_to_async(happen)()
            assert await closing(socket) == (4501, "access revoked")


class TestDevserversDoor:
    """For one who knows the secret: he says who the user is."""

    path = "/instant/stream"

    async def test_it_needs_the_secret(
        self, worker: RunningWorker, http: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
    ) -> None:
        secret = {SECRET_HEADER: conf.proxy_secret}
        for headers in ({}, {SECRET_HEADER: ""}, {SECRET_HEADER: "wrong"}, {**secret, "Origin": conf.sockets_bridge}):
            assert await status(http, self.path, headers=headers) == 403
        assert "with a wrong secret" in caplog.text

    @pytest.mark.parametrize("question", ["[", "[]", "{}", '{"channel": "news"}', '{"channel": "ws:nowhere:1"}'])
    async def test_what_is_no_question(self, worker: RunningWorker, http: aiohttp.ClientSession, question: str) -> None:
        async with http.ws_connect(at(self.path), headers={SECRET_HEADER: conf.proxy_secret}) as socket:
            await socket.send_str(question)
            error = json.loads(await socket.receive_str(timeout=PATIENCE))["error"]
            assert error["code"] == (404 if "nowhere" in question else 400)
            assert await closing(socket) == (1000, "")

    @pytest.mark.parametrize("question", ["{}", '{"channel": "ws:echo:1"}'])
    async def test_who_leaves_before_the_answer_leaves_no_socket_and_no_traceback(
        self,
        worker: RunningWorker,
        http: aiohttp.ClientSession,
        question: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        async def has_left(self: Any, message: bytes) -> None:
            raise aiohttp.ClientConnectionResetError("Cannot write to closing transport")

        monkeypatch.setattr(websocket_bridge._Connection, "send", has_left)
        async with http.ws_connect(at(self.path), headers={SECRET_HEADER: conf.proxy_secret}) as socket:
            await socket.send_str(question)
            assert await closing(socket) == (1000, "")
        await auntil(lambda: not len(worker))
        assert not [record for record in caplog.records if record.exc_info]

    async def test_no_path_of_plain_ones_reaches_it(self, site: Settings, http: aiohttp.ClientSession) -> None:
        with RunningWorker(websocket_url=".*"):
            assert await status(http, self.path) == 403


async def test_no_bridge(site: Settings, http: aiohttp.ClientSession) -> None:
    with RunningWorker(bridge=None), pytest.raises(aiohttp.ClientConnectorError):
        await http.ws_connect(at("/socket/echo"))


async def test_addresses_of_ipv6(site: Settings, http: aiohttp.ClientSession) -> None:
    port = free_port()
    with RunningWorker(address=f"[::1]:{free_port()}", bridge=f"[::1]:{port}"):
        async with http.ws_connect(f"http://[::1]:{port}/socket/echo") as socket:
            await socket.send_str("six")
            assert await socket.receive_str(timeout=PATIENCE) == "six"


# What is no request


MALFORMED = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) + b"\r\n\r\n",
    "no method": b"\r\n \r\n\r\n",
    "a bad version": b"GET /socket/echo HTTP/9.x\r\n\r\n",
    "a bad length": b"GET /socket/echo HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
    "a negative length": b"GET /socket/echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
    "a bad header": b"GET /socket/echo HTTP/1.1\r\nHost: x\r\nno header\r\n\r\n",
    "a NUL": b"GET /socket/echo HTTP/1.1\r\nHost: x\r\na: \x00\r\n\r\n",
    "a bad chunk": b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a long line": b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n",
    "a long header": b"GET / HTTP/1.1\r\nHost: x\r\na: " + b"x" * 20_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("kind", MALFORMED)
async def test_a_malformed_request_is_one_line_in_the_log(
    kind: str, worker: RunningWorker, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = conf.sockets_bridge.removeprefix("http://").rpartition(":")
    caplog.clear()
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(MALFORMED[kind])
    answer = await asyncio.wait_for(reader.readline(), PATIENCE)
    writer.close()
    assert answer.split()[1] == b"400"
    lines = [record for record in caplog.records if record.name.startswith(("instant", "aiohttp", "asyncio"))]
    assert len(lines) == 1, caplog.text
    assert not [record for record in lines if record.exc_info or len(record.getMessage()) > 250]
    assert "Traceback" not in caplog.text


async def test_a_failure_of_ours_is_logged_with_its_traceback(
    worker: RunningWorker,
    http: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(websocket_bridge, "_offered", fail)
    assert await status(http, "/socket/echo") == 500
    assert "RuntimeError: a bug" in caplog.text
    assert "Traceback" in caplog.text
