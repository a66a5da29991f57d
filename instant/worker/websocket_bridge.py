"""The worker's plain WebSockets, for clients without our JavaScript and for the devserver's streams."""

from __future__ import annotations

import asyncio
import logging
import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, http_exceptions, web
from asgiref.sync import sync_to_async
from django.db import close_old_connections

from ..access.proxy_secret import is_proxy_secret
from ..centrifugo.rpc_config import SECRET_HEADER
from ..centrifugo.stream_config import BRIDGE_PATH, FORWARDED_HEADERS
from ..exceptions import Deny, ServerFailed
from ..secret_text import Secret
from ..serializer import decode
from ..sockets import close_codes, envelopes
from ..sockets.connection import Feed, Opening, Socket, asked
from ..sockets.handler import SocketInfo
from ..sockets.socket_pool import SocketPool
from . import websocket_authentication
from .websocket_authentication import Guest

logger = logging.getLogger("instant")

if TYPE_CHECKING:
    _Adapter = logging.LoggerAdapter[logging.Logger]
else:  # the class takes no type parameter before Python 3.11
    _Adapter = logging.LoggerAdapter

#: Maximum bytes of a message, as in Centrifugo.
_LARGEST = 65536
#: Seconds between pings, and seconds to wait for a close frame.
_HEARTBEAT = 20.0
_FAREWELL = 2.0
#: Seconds between two checks whether the user of a plain WebSocket may still log in. Revocations are sent to
#: Centrifugo, which does not know these connections.
RECHECK = 10.0


class Bridge:
    """Serves WebSockets at an address, for the sockets of `pool`. Paths of plain WebSockets match `websocket_url`.

    Raises:
        ValueError: `websocket_url` is not a regular expression.
    """

    def __init__(self, pool: SocketPool, websocket_url: str) -> None:
        self._pool = pool
        try:
            self._path = re.compile(websocket_url)
        except re.error as error:
            raise ValueError(f"{websocket_url!r} is not a regular expression: {error}") from error
        app = web.Application()
        app.router.add_get(BRIDGE_PATH, self._forward)
        app.router.add_get("/{path:.*}", self._plain)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=_FAREWELL, logger=_OneLine(logger))
        self._guests: dict[Socket, Guest] = {}
        self._rechecking: asyncio.Task[None] | None = None

    async def start(self, address: str, *, shared_port: bool = False) -> int:
        """Listen at "host:port", and return the port.

        Raises:
            ServerFailed: the address is in use or not valid.
        """
        host, _, port = address.rpartition(":")
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, host.strip("[]"), int(port), reuse_port=shared_port or None).start()
        except OSError as error:
            await self._runner.cleanup()
            raise ServerFailed(f"cannot listen at {address}: {error.strerror or error}") from error
        self._rechecking = asyncio.get_running_loop().create_task(self._recheck())
        bound: int = self._runner.addresses[0][1]
        return bound

    async def stop(self, patience: float) -> None:
        """Accept no more sockets, and wait for the open ones.

        The wait is at most `patience` seconds, plus the time for close frames.
        """
        if self._rechecking:
            self._rechecking.cancel()
        await asyncio.gather(*(site.stop() for site in list(self._runner.sites)))
        await asyncio.wait([asyncio.ensure_future(self._runner.cleanup())], timeout=patience + _FAREWELL)

    async def _plain(self, request: web.Request) -> web.StreamResponse:
        found = self._path.fullmatch(request.path)
        if not found:
            return web.Response(status=404, text="there is no socket at this path\n")
        offered = _offered(request)
        try:
            # Error mails show local variables. With a lambda, the secrets are no arguments of `_in_thread`.
            guest = await _in_thread(lambda: websocket_authentication.admit(offered, request.headers))
        except Deny as refusal:
            return web.Response(status=refusal.code, text=f"{refusal.reason}\n")
        protocol = websocket_authentication.protocol_of(offered)
        connection = _Connection(request, protocols=(protocol,) if protocol else ())
        await connection.open()
        info = SocketInfo("websocket", "", guest.meta or {}, _forwarded(request.headers))
        name = found.groupdict().get("namespace") or ""
        opening = Opening(name, guest.user, str(uuid.uuid4()), None, info, tenant=guest.tenant)
        try:
            socket = await self._pool.open(opening, envelopes.text)
        except Deny as refusal:
            return await connection.close(close_codes.of_refusal(refusal))
        self._guests[socket] = guest
        try:
            return await connection.run(socket, lambda text: socket.receive(text, len(text)), close_codes.GOING_AWAY)
        finally:
            del self._guests[socket]

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        """Serve a stream that the devserver opens for a client. The first message identifies the client."""
        if not is_proxy_secret(request.headers.get(SECRET_HEADER)) or "Origin" in request.headers:
            logger.error("refused a stream with a wrong secret; restart the websockets server with `manage.py runws`")
            return web.Response(status=403, text="wrong secret\n")
        connection = _Connection(request)
        await connection.open()
        with suppress(ConnectionError):  # the devserver may disconnect before the response
            return await self._stream(connection)
        return await connection.close(close_codes.NORMAL)

    async def _stream(self, connection: _Connection) -> web.StreamResponse:
        try:
            socket = await self._pool.open(_read(await connection.first()), envelopes.wrapped)
        except Deny as refusal:
            await connection.send(envelopes.plain({"error": {"code": refusal.code, "message": refusal.reason}}))
            return await connection.close(close_codes.NORMAL)
        feed = Feed(socket)
        try:
            await connection.send(b'{"result":{}}')
            # The devserver sends an empty text when its client has disconnected. A close frame could overtake the
            # client's last messages.
            return await connection.run(
                socket, lambda text: feed.take(text) if text else socket.lost(), _CUT, last=True
            )
        finally:
            feed.stop()
            socket.lost()  # otherwise it would stay open if the response could not be sent

    async def _recheck(self) -> None:
        while True:
            await asyncio.sleep(RECHECK)
            for socket, guest in list(self._guests.items()):
                try:
                    if not await _in_thread(websocket_authentication.is_still_in, guest):
                        socket.end(close_codes.REVOKED)
                except Exception:
                    logger.exception("cannot check whether user %r may still log in", guest.user)


class _OneLine(_Adapter):
    """Logs the messages of aiohttp. A malformed request is logged in one line, without a traceback.

    Any port scanner sends such requests, and the traceback would show only aiohttp's parser.
    """

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        error = kwargs.get("exc_info")
        if isinstance(error, http_exceptions.HttpProcessingError):
            reason = " ".join(error.message.split())[:_LONGEST_REASON]
            self.logger.warning("refused a malformed request to the bridge: %s %r", type(error).__name__, reason)
        else:
            super().log(level, msg, *args, **kwargs)


#: Maximum number of characters of the logged reason, which quotes the request.
_LONGEST_REASON = 100

#: Sent to the devserver if a stream ends without a code. The devserver then makes its client reconnect.
_CUT = close_codes.Closing(1012, "service restart")


class _Connection:
    """One WebSocket connection."""

    def __init__(self, request: web.Request, protocols: tuple[str, ...] = ()) -> None:
        self._request = request
        self._ws = web.WebSocketResponse(
            timeout=_FAREWELL, heartbeat=_HEARTBEAT, protocols=protocols, compress=False, max_msg_size=_LARGEST + 1
        )

    async def open(self) -> None:
        await self._ws.prepare(self._request)

    async def first(self) -> Any:
        """Return the first message as decoded JSON, or None if it is not valid."""
        message = await self._ws.receive()
        with suppress(ValueError, RecursionError):
            return decode(message.data) if message.type is WSMsgType.TEXT else None

    async def send(self, message: bytes) -> None:
        await self._ws.send_str(message.decode())

    async def close(self, closing: close_codes.Closing) -> web.StreamResponse:
        await self._ws.close(code=closing.code, message=closing.reason.encode())
        return self._ws

    async def run(
        self, socket: Socket, take: Callable[[str], None], cut: close_codes.Closing, *, last: bool = False
    ) -> web.StreamResponse:
        """Pass messages in both directions until one side has ended.

        With `last`, send the socket's close code in an envelope. `cut` is the close code if the socket has none.
        """
        reading = asyncio.get_running_loop().create_task(self._read(socket, take))
        reading.add_done_callback(lambda _: socket.lost())
        try:
            with suppress(ConnectionError):
                await self._write(socket, last)
        finally:
            # Closing while another task reads would cut the connection before the client has read the close code.
            reading.cancel()
            await asyncio.wait([reading])
        closing = socket.outgoing.closing
        return await self.close(cut if closing is None else close_codes.NORMAL if last else closing)

    async def _read(self, socket: Socket, take: Callable[[str], None]) -> None:
        async for message in self._ws:
            if message.type is WSMsgType.TEXT:
                take(message.data)
            elif message.type is WSMsgType.BINARY:
                socket.end(close_codes.UNSUPPORTED)

    async def _write(self, socket: Socket, last: bool) -> None:
        while messages := await socket.outgoing.take():
            for message in messages:
                await self.send(message)
        if last and socket.outgoing.closing:
            await self.send(envelopes.last(socket.outgoing.closing))


async def _in_thread(function: Any, *args: Any) -> Any:
    def call() -> Any:
        close_old_connections()
        try:
            return function(*args)
        finally:
            close_old_connections()

    return await sync_to_async(call, thread_sensitive=True)()


def _offered(request: web.Request) -> list[str]:
    given = ",".join(request.headers.getall("Sec-WebSocket-Protocol", []))
    return [Secret(name.strip()) for name in given.split(",") if name.strip()]


def _forwarded(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: headers[name] for name in FORWARDED_HEADERS if name in headers}


def _read(question: Any) -> Opening:
    fields = question if isinstance(question, dict) else {}
    channel, user, client = (str(fields.get(name) or "") for name in ("channel", "user", "client"))
    data, meta, headers = (fields.get(name) for name in ("data", "meta", "headers"))
    return asked(channel, user, client, data=data, meta=meta, headers=headers if isinstance(headers, dict) else {})
