"""The devserver's HTTP and WebSocket server, built on aiohttp. Only this module serves sockets."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

from instant.devserver import config as configs
from instant.devserver import errors
from instant.devserver.api import Api
from instant.devserver.channel_options import ChannelRules
from instant.devserver.client import Client
from instant.devserver.globs import OriginCheck
from instant.devserver.http_api import HttpApi
from instant.devserver.hub import Hub
from instant.devserver.rpc_proxy import Backend
from instant.devserver.session import RpcHandler, Session
from instant.devserver.stream_proxy import Streams

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from instant.devserver.http_api import Answering

logger = logging.getLogger("instant.devserver")

#: Maximum number of frames that are joined into one WebSocket message.
_MAX_JOINED_FRAMES = 16
#: Timeout in seconds for a client to answer a close frame, and for the server to stop.
_CLOSE_TIMEOUT = 1.0
_CLOSE_CODES = range(2**16)


class DevServer:
    """Serve the client protocol and the HTTP API for a config in Centrifugo's v6 layout.

    `rpc` answers rpc commands. Without it they are forwarded to the backend in `rpc.proxy`. Without either, the reply
    is error 108.

    Raises:
        ConfigError: (a ValueError) Centrifugo's `checkconfig` would refuse the config.
    """

    def __init__(self, config: Mapping[str, Any], *, rpc: RpcHandler | None = None) -> None:
        self.config = configs.load(config)
        self.port = 0
        self._backend, self._streams = Backend(self.config), Streams(self.config)
        self._rpc = rpc or (self._backend if self._backend.is_used else None)
        self._hub: Hub[Client] = Hub()
        self._rules = ChannelRules(self.config)
        self._api = HttpApi(Api(self._hub, self._rules), self.config.http_api)
        self._origins = OriginCheck(self.config.client.allowed_origins)
        self._sessions: dict[Session, asyncio.Task[Any]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    @property
    def url(self) -> str:
        """Return the URL of the running server."""
        host = self.config.http_server.address
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    def reload(self, config: Mapping[str, Any]) -> None:
        """Apply the channel options and token keys of another config, as Centrifugo does on SIGHUP.

        Nothing else changes. This method may be called from any thread.

        Raises:
            ConfigError: Centrifugo would refuse the config. The server keeps the old one.
        """
        new = configs.load(config)
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._apply, new)

    def _apply(self, new: configs.Config) -> None:
        fresh = new.client
        client = replace(self.config.client, token=fresh.token, subscription_token=fresh.subscription_token)
        self.config = replace(self.config, client=client, channel=new.channel, namespaces=new.namespaces)
        self._rules.take(self.config)
        for session in self._sessions:
            session.take_keys(self._rules, client)

    async def start(self) -> None:
        """Listen on `http_server.address` and `http_server.port`. Port 0 selects a free port.

        Raises:
            OSError: the server cannot listen there; usually the port is in use.
        """
        options, self._loop = self.config.http_server, asyncio.get_running_loop()
        self._runner = web.AppRunner(self._app(), access_log=None, shutdown_timeout=_CLOSE_TIMEOUT)
        await self._runner.setup()
        self._site = web.TCPSite(self._runner, options.address, options.port)
        try:
            await self._site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        logger.info("devserver (a stand-in for Centrifugo, not for production) listens at %s", self.url)

    async def stop(self) -> None:
        """Close all clients with code 3001 ("shutdown") and stop listening."""
        if self._site is None or self._runner is None:
            return
        await self._site.stop()
        self._site = None
        for session in list(self._sessions):
            session.client.close(errors.SHUTDOWN)
        if self._sessions:
            await asyncio.wait(list(self._sessions.values()), timeout=2 * _CLOSE_TIMEOUT)
        await self._backend.close()
        await self._streams.close()
        await self._runner.cleanup()

    def _app(self) -> web.Application:
        config = self.config
        # Centrifugo's API accepts a body of any size.
        app = web.Application(client_max_size=0)
        if not config.http_api.disabled:
            prefix = config.http_api.handler_prefix
            app.router.add_route("*", prefix, self._serve_api)
            app.router.add_route("*", prefix + "/{method}", self._serve_api)
        if config.health.enabled:
            app.router.add_route("*", config.health.handler_prefix, self._serve_health)
        app.router.add_route("*", config.websocket.handler_prefix, self._serve_websocket)
        return app

    async def _serve_health(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _serve_api(self, request: web.Request) -> web.Response:
        method = request.match_info.get("method")
        if method is not None and not self._api.knows(method):
            return web.Response(status=404, text="404 page not found\n")
        if request.method != "POST":
            return web.Response(status=405)
        if not self._api.admits(request.headers, request.query):
            return web.Response(status=401)
        body = await request.read()
        if method is None:
            return await _answer(self._api.answer_old(body))
        return await _answer(self._api.answer(method, body, request.headers))

    async def _serve_websocket(self, request: web.Request) -> web.StreamResponse:
        origin, limit = request.headers.get("Origin", ""), self.config.client.connection_limit
        if not self._origins.allows(origin):
            logger.info("request Origin is not authorized: %r", origin)
            return web.Response(status=403, text="Forbidden\n")
        if self._site is None or 0 < limit <= len(self._sessions):
            return web.Response(status=503)
        if "centrifuge-protobuf" in request.headers.get("Sec-WebSocket-Protocol", "") or "protobuf" in (
            request.query.get("format"),
            request.query.get("cf_protocol"),
        ):
            logger.warning("refused a client that requested protobuf: the devserver supports JSON only")
            return web.Response(status=400, text="the devserver supports JSON only\n")
        return await self._run_session(request)

    async def _run_session(self, request: web.Request) -> web.StreamResponse:
        # aiohttp also refuses a message whose size is exactly the limit.
        size = self.config.websocket.message_size_limit + 1
        asked = "centrifuge-json" in request.headers.get("Sec-WebSocket-Protocol", "")
        socket = web.WebSocketResponse(
            timeout=_CLOSE_TIMEOUT,
            protocols=("centrifuge-json",) if asked else (),
            compress=False,
            max_msg_size=size,
        )
        await socket.prepare(request)
        transport, task = request.transport, asyncio.current_task()
        if transport is not None and task is not None:
            session = Session(self._hub, self._rules, self.config, rpc=self._rpc, streams=self._streams)
            session.client.headers = request.headers
            self._sessions[session] = task
            try:
                await _Connection(session, socket, transport, self.config.websocket.write_timeout).run()
            finally:
                del self._sessions[session]
        return socket


class _Connection:
    """Exchange text between one socket and one session, and call the session's `tick` when it is due."""

    def __init__(
        self,
        session: Session,
        socket: web.WebSocketResponse,
        transport: asyncio.Transport,
        write_timeout: float,
    ) -> None:
        self._session, self._socket, self._transport = session, socket, transport
        self._write_timeout = write_timeout
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at: float | None = None
        session.client.wake = self._changed.set
        self._reading = self._loop.create_task(self._read())

    async def run(self) -> None:
        """Read and write until one side closes."""
        self._set_timer()
        try:
            await self._write()
        finally:
            self._session.lost()
            self._set_timer()
            self._reading.cancel()
            await asyncio.wait([self._reading])

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                if message.type is WSMsgType.TEXT:
                    self._session.receive(message.data)
                elif message.type is WSMsgType.BINARY:
                    # Centrifugo also accepts JSON in binary frames.
                    self._session.receive(message.data.decode("utf-8", "replace"))
                self._set_timer()
        except Exception:
            logger.exception("error handling a command")
            self._session.client.close(errors.SERVER_ERROR)
        finally:
            self._session.lost()

    async def _write(self) -> None:
        client = self._session.client
        with contextlib.suppress(ConnectionError):
            while not client.closing:
                await self._changed.wait()
                self._changed.clear()
                self._set_timer()
                await self._flush()
            await self._flush()
            await self._close(client.closing)

    async def _flush(self) -> None:
        client = self._session.client
        while client.outbox and not self._socket.closed:
            text = "\n".join(frame.text for frame in client.take(_MAX_JOINED_FRAMES))
            with self._abort_after(self._write_timeout):
                await self._socket.send_str(text)

    async def _close(self, disconnect: errors.Disconnect) -> None:
        if self._socket.closed:
            return
        if disconnect.code == errors.DROPPED.code or disconnect.code not in _CLOSE_CODES:
            self._transport.close()
            return
        # aiohttp waits for the client's close frame only if no other task is reading.
        self._reading.cancel()
        await asyncio.wait([self._reading])
        with self._abort_after(self._write_timeout + _CLOSE_TIMEOUT):
            await self._socket.close(code=disconnect.code, message=disconnect.reason.encode()[:123])

    @contextlib.contextmanager
    def _abort_after(self, seconds: float) -> Iterator[None]:
        """Abort the connection if the block takes longer than `seconds`, because the client does not read."""
        abort = self._loop.call_later(seconds, self._transport.abort)
        try:
            yield
        finally:
            abort.cancel()

    def _set_timer(self) -> None:
        deadline = self._session.deadline()
        if deadline == self._timer_at:
            return
        if self._timer:
            self._timer.cancel()
        self._timer_at = deadline
        if deadline is not None:
            self._timer = self._loop.call_later(max(0.0, deadline - time.time()), self._on_timer)

    def _on_timer(self) -> None:
        self._timer_at = None
        self._session.tick()
        self._set_timer()


async def _answer(answering: Answering) -> web.Response:
    """Return the response of an API call. At each `yield` of the generator, the event loop serves the sockets."""
    while True:
        try:
            next(answering)
        except StopIteration as done:
            status, text, is_json = done.value
            kind = "application/json" if is_json else "text/plain; charset=utf-8"
            return web.Response(status=status, body=text.encode(), headers={"Content-Type": kind})
        await asyncio.sleep(0)
