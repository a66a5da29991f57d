"""One open socket, independent of its transport. The calls of its handler run one after another."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..channels.tenants import tenant_of
from ..protocol import NAMESPACE_BOUNDARY, SOCKETS_NAMESPACE, TENANT_BOUNDARY
from ..user_callables import dotted_name
from . import close_codes, envelopes, message_order
from .handler import SocketInfo, WebSocketHandler
from .send_buffer import SendBuffer

if TYPE_CHECKING:
    from .close_codes import Closing
    from .handler_calls import Calls

logger = logging.getLogger("instant")

#: Maximum number and total bytes of received messages that the handler has not processed yet.
MOST_UNREAD = 5_000
MOST_UNREAD_BYTES = 8 * 1024 * 1024
#: Number of messages after which a socket yields to other sockets.
_TURN = 32


@dataclass(frozen=True, slots=True)
class Opening:
    """A request to open a socket.

    `name` is the name of the handler, `user` the user's id in Centrifugo (the `sub` claim, or "" for a visitor), and
    `client` the id of the client's connection.
    """

    name: str
    user: str
    client: str
    data: Any
    info: SocketInfo
    #: The user object, if the caller already has it.
    who: Any = None
    #: The tenant of the handler, or None for the tenant of the current thread or task.
    tenant: str | None = None


def asked(channel: str, user: str, client: str, *, data: Any, meta: Any, headers: Mapping[str, str]) -> Opening:
    """Return the request to open a socket, from the first data of a stream that Centrifugo opens.

    The channel is "ws:<name>:<anything>", or "ws:<tenant>/<name>:<anything>" with a tenant.

    Raises:
        Deny: this is not a socket's channel, or the client uses another version of the envelopes.
    """
    prefix, _, rest = channel.partition(NAMESPACE_BOUNDARY)
    if prefix != SOCKETS_NAMESPACE:
        raise close_codes.bad_name()
    info = SocketInfo("centrifugo", channel, meta if isinstance(meta, dict) else {}, headers)
    tenant = tenant_of(info.meta)
    name = rest.partition(NAMESPACE_BOUNDARY)[0]
    if tenant:
        name = name.removeprefix(f"{tenant}{TENANT_BOUNDARY}")
    return Opening(name, user, client, envelopes.opened(data), info, tenant=tenant)


class Socket:
    """An open socket. Any thread may call `send` and `close`. Call all other methods on the event loop."""

    def __init__(self, handler: WebSocketHandler, calls: Calls, pack: Callable[[Any], bytes]) -> None:
        self.handler, self.outgoing = handler, SendBuffer()
        self._calls, self._pack = calls, pack
        self._unread: deque[tuple[Any, int]] = deque()
        self._unread_bytes = 0
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._is_over = False
        handler._socket = self

    def receive(self, message: Any, size: int = 0) -> None:
        """Queue a message of the client, which is `size` bytes long."""
        if self._is_over or self.outgoing.is_over:
            return
        self._unread.append((message, size))
        self._unread_bytes += size
        if len(self._unread) > MOST_UNREAD or self._unread_bytes > MOST_UNREAD_BYTES:
            logger.warning("closed a socket of %s: it has too many messages unread", self._place)
            self.end(close_codes.UNREAD)
        self._news.set()

    def lost(self) -> None:
        """End the socket because the client has disconnected.

        The handler still processes messages that the client sent before. Messages to the client are dropped.
        """
        self.outgoing.drop()
        self._is_over = True
        self._news.set()

    def leave(self) -> None:
        """End the socket because the client closes it. The handler still processes earlier messages of the client."""
        self.outgoing.end(close_codes.NORMAL)
        self._is_over = True
        self._news.set()

    def end(self, closing: Closing | None) -> None:
        """Close the socket. If `closing` is None, the stream ends without a code, and the client reconnects."""
        self.outgoing.end(closing)
        self._forget()

    def send(self, message: Any) -> bool:
        """Send a message; see `WebSocketHandler.send`."""
        sent = self.outgoing.put(self._pack(message))
        if not sent and self.outgoing.closing is close_codes.UNSENT:
            logger.warning("closed a socket of %s: it has too many messages unsent", self._place)
        return sent

    async def asend(self, message: Any) -> bool:
        """Wait while the buffer is full, and then send a message; see `WebSocketHandler.asend`."""
        packed = self._pack(message)
        await self.outgoing.room()
        return self.outgoing.put(packed)

    def close(self, code: int, reason: str) -> None:
        """Close the socket; see `WebSocketHandler.close`."""
        if self.outgoing.end(close_codes.checked(code, reason)):
            with suppress(RuntimeError):  # the event loop is closed, and all sockets with it
                self._loop.call_soon_threadsafe(self._forget)

    async def run(self) -> None:
        """Call the handler's methods until the socket is closed, and then `on_close`."""
        try:
            await self._converse()
        except Exception:
            logger.exception("closed a socket of %s after an exception", self._place)
            self.end(close_codes.FAILED)
        finally:
            try:
                await self._calls.run(self.handler.on_close)
            except Exception:
                logger.exception("on_close of %s failed", self._place)
            self._calls.close()
            self.outgoing.end(None)

    async def _converse(self) -> None:
        handler, count = self.handler, 0
        await self._calls.run(handler.on_connect)
        while not self.outgoing.is_over or self._is_over:
            if not self._unread:
                if self._is_over:
                    return
                self._news.clear()
                await self._news.wait()
                continue
            message, size = self._unread.popleft()
            self._unread_bytes -= size
            first, count = not count, count + 1
            if not first or await self._calls.run(handler.on_open, message) is None:
                await self._calls.run(handler.on_message, message)
            if not count % _TURN:
                await asyncio.sleep(0)

    def _forget(self) -> None:
        self._unread.clear()
        self._unread_bytes = 0
        self._news.set()

    @property
    def _place(self) -> str:
        return dotted_name(type(self.handler))


class Feed:
    """Unpacks the envelopes of a stream, and passes the messages to its socket in order."""

    def __init__(self, socket: Socket) -> None:
        self._socket, self._order = socket, message_order.Order()
        self._alarm: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def take(self, content: bytes | str) -> None:
        """Process an envelope. If it is invalid, or an earlier one is missing, the socket is closed."""
        try:
            number, message = envelopes.read(content)
        except (ValueError, RecursionError):
            self._socket.end(close_codes.BAD_MESSAGE)
            return
        before = self._order.next
        try:
            ready = self._order.take(number, (message, len(content)), len(content))
        except message_order.Gap:
            self._socket.end(close_codes.GAP)
            return
        self._deliver(ready)
        if self._order.next != before or not self._order.is_waiting:
            self.stop()
        if self._order.is_waiting and self._alarm is None:
            self._alarm = self._loop.call_later(message_order.PATIENCE, self._socket.end, close_codes.GAP)

    def stop(self) -> None:
        """Cancel the timeout for a missing message."""
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None

    def _deliver(self, ready: Iterable[tuple[Any, int]]) -> None:
        for message, size in ready:
            if message is envelopes.END:
                self._socket.leave()
            else:
                self._socket.receive(message, size)
