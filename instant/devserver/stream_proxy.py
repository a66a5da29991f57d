"""Streams of sockets: forwards them to the websockets worker's bridge. Centrifugo uses gRPC instead."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import aiohttp

from instant.devserver import errors, permissions, wire_json
from instant.devserver.subscribing import check, join
from instant.devserver.subscription_grant import Grant

if TYPE_CHECKING:
    from collections.abc import Mapping

    from instant.devserver.client import Client
    from instant.devserver.config import Config
    from instant.devserver.config_options import ProxyOptions
    from instant.devserver.subscribing import Request

logger = logging.getLogger("instant.devserver")

#: This static header holds the URL of the bridge. Only the devserver uses the proxy's `http` section.
BRIDGE_HEADER = "X-Instant-Bridge"
#: Maximum size of a message from the worker with its envelope, in bytes.
_MAX_MESSAGE_BYTES = 2 * 1024 * 1024
#: This message reports to the worker that the client has left. The worker then has this many seconds to close.
_LEFT = ""
_CLOSE_SECONDS = 5.0
#: The WebSocket close code with which the worker ends a stream on purpose.
_NORMAL = 1000


class Streams:
    """Opens a stream to the worker for each subscription to a channel of sockets."""

    def __init__(self, config: Config) -> None:
        self._proxy: ProxyOptions = config.channel.proxy.subscribe_stream
        self._bridge = self._proxy.http.static_headers.get(BRIDGE_HEADER, "")
        self._http: aiohttp.ClientSession | None = None
        self._open: dict[tuple[str, str], _Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def takes(self, client: Client, request: Request) -> bool:
        """Return whether a stream answers this subscribe command.

        This is so if the command has no token, the channel is not private, and its namespace has streams.
        """
        options = client.rules.options(request.channel)
        has_streams = options is not None and options.subscribe_stream_proxy_enabled
        return bool(has_streams and self._bridge and not request.token and not client.rules.is_private(request.channel))

    def open(self, client: Client, command_id: int, request: Request) -> None:
        """Open a stream, and reply to the subscribe command when the worker has answered.

        Raises:
            ReplyError: 102 for an unknown namespace, 105 for an existing subscription, 106 for too many subscriptions,
                107 for an invalid channel name, 108 for a shared poll subscription.
            CloseError: 3501 without a channel or for an unknown delta type.
        """
        check(client, request)
        permissions.options_of(client, request.channel)
        key = (client.id, request.channel)
        if key in self._open:
            raise errors.ReplyError(errors.ALREADY_SUBSCRIBED)
        stream = self._open[key] = _Stream(client, command_id, request)
        task = asyncio.get_running_loop().create_task(self._run(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._open.pop(key, None))

    def publish(self, client: Client, body: Mapping[str, Any]) -> bool:
        """Forward a client's publication to its stream. Return False if the channel has no stream.

        Raises:
            ReplyError: 107 without data.
        """
        stream = self._open.get((client.id, str(body.get("channel"))))
        if stream is None or not stream.is_joined:
            return False
        data = wire_json.read_raw(body, "data")
        if data is wire_json.MISSING:
            raise errors.ReplyError(errors.BAD_REQUEST)
        stream.unsent.put_nowait(wire_json.encode(data))
        return True

    async def close(self) -> None:
        """End all streams and close the HTTP client."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def _run(self, stream: _Stream) -> None:
        if self._http is None:
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        headers = {name: value for name, value in self._proxy.http.static_headers.items() if name != BRIDGE_HEADER}
        try:
            socket = await asyncio.wait_for(
                self._http.ws_connect(self._bridge, headers=headers, max_msg_size=_MAX_MESSAGE_BYTES, autoclose=True),
                self._proxy.timeout,
            )
            async with socket:
                await stream.run(socket, self._proxy)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            logger.error("error from subscribe stream proxy %s: %s", self._bridge, str(error) or "timeout")
            stream.fail()


class _Stream:
    """The stream of one subscription."""

    def __init__(self, client: Client, command_id: int, request: Request) -> None:
        self._client, self._command_id, self._request = client, command_id, request
        self.unsent: asyncio.Queue[str | None] = asyncio.Queue()
        self.is_joined = False

    async def run(self, socket: aiohttp.ClientWebSocketResponse[Any], proxy: ProxyOptions) -> None:
        """Send the request to the worker. If it accepts, forward messages in both directions until one side ends.

        Raises:
            ValueError: the worker's answer or one of its messages is invalid.
        """
        await socket.send_str(wire_json.encode(self._request_body(proxy)))
        refusal = await self._answer(socket, proxy)
        try:
            if refusal is None and not self._client.closing:
                self._join()
        except errors.ReplyError as error:
            refusal = error.error
        if refusal is not None:
            self._client.fail(self._command_id, refusal)
        elif self.is_joined:
            await self._forward_messages(socket)

    async def _answer(self, socket: aiohttp.ClientWebSocketResponse[Any], proxy: ProxyOptions) -> errors.Error | None:
        """Return the error with which the worker refuses the subscription, or None if the worker accepts it."""
        message = await asyncio.wait_for(socket.receive(), proxy.timeout)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise wire_json.MalformedError(f"the worker closed the stream without an answer ({socket.close_code})")
        answer = wire_json.decode(message.data)
        if not isinstance(answer, dict):
            raise wire_json.MalformedError("the worker's answer is not an object")
        error = wire_json.read_object(answer, "error")
        if error is None:
            return None
        return errors.Error(wire_json.read_uint(error, "code"), wire_json.read(error, "message", ""))

    def fail(self) -> None:
        """Report to the client that the worker cannot be reached. The client subscribes again."""
        if not self.is_joined:
            self._client.fail(self._command_id, errors.INTERNAL)
        else:
            self._leave(errors.INSUFFICIENT_SUBSCRIPTION)

    def _join(self) -> None:
        client, channel = self._client, self._request.channel
        grant = Grant.from_options(permissions.options_of(client, channel), "stream")
        result, subscription = join(client, self._request, grant, server_side=False)
        subscription.on_leave = lambda: self.unsent.put_nowait(None)
        self.is_joined = True
        client.reply(self._command_id, "subscribe", result)
        client.hub.announce(subscription)

    async def _forward_messages(self, socket: aiohttp.ClientWebSocketResponse[Any]) -> None:
        sending = asyncio.get_running_loop().create_task(self._send(socket))
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT and self.is_joined:
                    self._client.push("pub", {"data": wire_json.decode(message.data)}, self._request.channel)
        finally:
            sending.cancel()
        normal = socket.close_code == _NORMAL
        self._leave(errors.SERVER_UNSUBSCRIBED if normal else errors.INSUFFICIENT_SUBSCRIPTION)

    async def _send(self, socket: aiohttp.ClientWebSocketResponse[Any]) -> None:
        # If the worker has already closed, its last messages may still have to be read.
        with suppress(ConnectionError):
            while (text := await self.unsent.get()) is not None:
                await socket.send_str(text)
            self.is_joined = False
            await socket.send_str(_LEFT)
            await asyncio.sleep(_CLOSE_SECONDS)
            await socket.close()

    def _leave(self, reason: errors.Unsubscribe) -> None:
        if self.is_joined and not self._client.closing:
            self.is_joined = False
            self._client.unsubscribe(self._request.channel, reason)

    def _request_body(self, proxy: ProxyOptions) -> dict[str, Any]:
        client, request = self._client, self._request
        headers = {name: client.headers[name] for name in proxy.http_headers if name in client.headers}
        body = {
            "client": client.id,
            "channel": request.channel,
            "headers": headers,
            **wire_json.filled(user=client.user),
        }
        meta = client.meta if proxy.include_connection_meta else wire_json.MISSING
        return wire_json.with_raw(body, data=request.data, meta=meta)
