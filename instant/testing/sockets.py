"""SocketCommunicator: test a socket handler without a server."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser

from ..channels.user_ids import user_id
from ..exceptions import SocketClosed
from ..sockets import envelopes
from ..sockets.connection import Opening, Socket
from ..sockets.handler import SocketInfo, WebSocketHandler
from ..sockets.handler_calls import Calls, Runner
from ..sockets.socket_pool import SocketPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from ..channels.user_ids import User

#: Seconds to wait for a message.
TIMEOUT = 2.0


class SocketCommunicator:
    """One socket of `handler_class`, opened by `user` (by default a visitor who is not logged in).

    For async tests, including those of Django's TestCase. Methods of the handler that are not async run in the thread
    of `sync_to_async`, so they see the test's database changes.

    ```python
    async with SocketCommunicator(Counter, user) as socket:
        await socket.open("first message")
        assert await socket.receive() == "1"
    ```
    """

    def __init__(
        self,
        handler_class: type[WebSocketHandler],
        user: User | None = None,
        *,
        data: Any = None,
        namespace: str = "default",
        info: SocketInfo | None = None,
    ) -> None:
        self._handler_class, self._user = handler_class, user or AnonymousUser()
        about = info or SocketInfo("test")
        who = self._user if getattr(self._user, "is_active", True) or not self._user.is_authenticated else None
        self._opening = Opening(namespace, user_id(self._user), "test", data, about, who or AnonymousUser())
        self._socket: Socket | None = None
        self._received: list[Any] = []

    async def __aenter__(self) -> SocketCommunicator:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def handler(self) -> Any:
        """The handler object, once the socket is open."""
        return self._open().handler

    async def open(self, *message: Any) -> None:
        """Open the socket, and send `message` if there is one.

        Raises:
            Deny: the handler's permission denies access. A client would receive its `code` and `reason`.
        """
        pool = SocketPool(_SameThread())
        self._socket = await pool.open(self._opening, envelopes.plain, self._handler_class)
        self._pool = pool
        for each in message:
            await self.send(each)

    async def send(self, message: Any) -> None:
        """Send a message, serialized as JSON.

        Raises:
            AssertionError: `open()` was not called.
            SocketClosed: the handler has closed the socket.
        """
        socket = self._open()
        if socket.outgoing.is_over:
            raise self._closed(socket)
        socket.receive(json.loads(envelopes.plain(message)))

    async def receive(self, timeout: float = TIMEOUT) -> Any:
        """Return the next message that the handler sends. Wait for up to `timeout` seconds.

        Raises:
            AssertionError: no message arrives in time, or `open()` was not called.
            SocketClosed: there is no message, and the socket is closed.
        """
        socket = self._open()
        if not self._received:
            try:
                taken = await asyncio.wait_for(socket.outgoing.take(), timeout)
            except asyncio.TimeoutError:
                raise AssertionError(f"No message arrived within {timeout} seconds.") from None
            if not taken:
                raise self._closed(socket)
            self._received += (json.loads(item) for item in taken)
        return self._received.pop(0)

    async def receive_nothing(self, timeout: float = 0.1) -> bool:
        """Report whether no message arrives within `timeout` seconds."""
        try:
            self._received.insert(0, await self.receive(timeout))
        except (AssertionError, SocketClosed):
            return True
        return False

    async def close(self) -> None:
        """Disconnect the client, and wait until `on_close` has run."""
        if self._socket is not None:
            self._socket.lost()
            await self._pool.wait()

    def _open(self) -> Socket:
        if self._socket is None:
            raise AssertionError("The socket is not open. Call `await open()` first.")
        return self._socket

    @staticmethod
    def _closed(socket: Socket) -> SocketClosed:
        closing = socket.outgoing.closing
        return SocketClosed(*closing) if closing else SocketClosed(1006, "")


class _SameThread(Runner):
    """Runs plain methods in the thread that has the test's database connection."""

    def calls(self) -> Calls:
        return _SameThreadCalls(self, self._pool)


class _SameThreadCalls(Calls):
    async def _plain(self, function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        return await sync_to_async(function, thread_sensitive=True)(*args)
