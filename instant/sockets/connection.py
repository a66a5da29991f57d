"""One open socket: its handler's calls, one after another, whatever carries its messages."""

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

#: What a handler may leave unread.
MOST_UNREAD = 5_000
MOST_UNREAD_BYTES = 8 * 1024 * 1024
#: Calls of one socket after which the others have their turn.
_TURN = 32


@dataclass(frozen=True, slots=True)
class Opening:
    """A socket that somebody asks for: by which name, the id of the user (as tokens have it) and of the client."""

    name: str
    user: str
    client: str
    data: Any
    info: SocketInfo
    #: The user itself, where it is at hand.
    who: Any = None
    #: The tenant that the handler works for; None is that of the thread or task that opens it.
    tenant: str | None = None


def asked(channel: str, user: str, client: str, *, data: Any, meta: Any, headers: Mapping[str, str]) -> Opening:
    """Return the socket that a stream of the websockets server asks for, by its channel: "ws:<name>:<anything>",
    with a tenant "ws:<tenant>/<name>:<anything>".

    Raises:
        Deny: that is no channel of sockets, or the client speaks another version.
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
    """A socket that is open. But for `send` and `close` all belongs to the event loop."""

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
        """Take a message of the client's, whose turn it is."""
        if self._is_over or self.outgoing.is_over:
            return
        self._unread.append((message, size))
        self._unread_bytes += size
        if len(self._unread) > MOST_UNREAD or self._unread_bytes > MOST_UNREAD_BYTES:
            logger.warning("closed a socket of %s: it has too many messages unread", self._place)
            self.end(close_codes.UNREAD)
        self._news.set()

    def lost(self) -> None:
        """The client is gone. What it sent before is still handled; what is sent to it is dropped."""
        self.outgoing.drop()
        self._is_over = True
        self._news.set()

    def leave(self) -> None:
        """The client closes. What it sent before is still handled."""
        self.outgoing.end(close_codes.NORMAL)
        self._is_over = True
        self._news.set()

    def end(self, closing: Closing | None) -> None:
        """Close the socket; without a reason its stream is cut, and the client comes back by itself."""
        self.outgoing.end(closing)
        self._forget()

    def send(self, message: Any) -> bool:
        """Send a message, as `WebSocketHandler.send` says."""
        sent = self.outgoing.put(self._pack(message))
        if not sent and self.outgoing.closing is close_codes.UNSENT:
            logger.warning("closed a socket of %s: it has too many messages unsent", self._place)
        return sent

    async def asend(self, message: Any) -> bool:
        """Send a message when there is room for it."""
        packed = self._pack(message)
        await self.outgoing.room()
        return self.outgoing.put(packed)

    def close(self, code: int, reason: str) -> None:
        """Close the socket, as `WebSocketHandler.close` says."""
        if self.outgoing.end(close_codes.checked(code, reason)):
            with suppress(RuntimeError):  # the loop is closed, and all sockets with it
                self._loop.call_soon_threadsafe(self._forget)

    async def run(self) -> None:
        """Call the handler's methods until the socket is over, and `on_close` at last."""
        try:
            await self._converse()
        except Exception:
            logger.exception("closed a socket of %s: it failed", self._place)
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
    """Opens the envelopes of a stream, and hands their messages to its socket in order."""

    def __init__(self, socket: Socket) -> None:
        self._socket, self._order = socket, message_order.Order()
        self._alarm: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    def take(self, content: bytes | str) -> None:
        """Take an envelope; one that is wrong ends the socket."""
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
        self._hand_over(ready)
        if self._order.next != before or not self._order.is_waiting:
            self.stop()
        if self._order.is_waiting and self._alarm is None:
            self._alarm = self._loop.call_later(message_order.PATIENCE, self._socket.end, close_codes.GAP)

    def stop(self) -> None:
        """Wait for nothing any more."""
        if self._alarm:
            self._alarm.cancel()
            self._alarm = None

    def _hand_over(self, ready: Iterable[tuple[Any, int]]) -> None:
        for message, size in ready:
            if message is envelopes.END:
                self._socket.leave()
            else:
                self._socket.receive(message, size)
