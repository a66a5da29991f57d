"""WebSocketHandler: the base class for the sockets of a site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

from django.contrib.auth.models import AnonymousUser

from ..access.guards import is_authenticated
from ..channels.user_ids import user_named


class OpenSocket(Protocol):
    """The interface of a socket for its handler; see `instant.sockets.connection`."""

    def send(self, message: Any) -> bool: ...
    async def asend(self, message: Any) -> bool: ...
    def close(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class SocketInfo:
    """Further information about a socket.

    `transport` is "centrifugo", "websocket" for the plain bridge, or "test". `meta` is the data that Django signed into
    the connection token. `headers` contains the browser's user-agent and accept-language, with lower-case names.
    """

    transport: str
    channel: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class WebSocketHandler:
    """Base class of handlers. There is one object per open socket.

    Attributes of `self` exist as long as the socket is open. Each method may be plain or `async`. Plain methods run in
    a thread, so they may use the database. The methods of one socket never run at the same time.
    """

    #: Decides which users may open a socket: a guard such as `is_staff` or `everyone`, a Django permission such as
    #: "app.codename", a function of the user, or a method. A function whose first parameter is named `self` is a
    #: method. Functions and methods may be plain or async.
    permission: Any = is_authenticated

    #: The name of the socket.
    namespace: str = ""
    #: The id of the client's connection.
    client_id: str = ""
    #: The data that the page passed when it opened the socket.
    data: Any = None
    #: Further information about the socket.
    info: SocketInfo = SocketInfo("")

    _NAMES: ClassVar[tuple[str, ...]] = ("on_connect", "on_open", "on_message", "on_close")
    _socket: OpenSocket
    _sub: str = ""

    def on_connect(self) -> Any:
        """Called when the socket is open."""

    def on_open(self, message: Any) -> Any:
        """Called with the first message. If it returns None, `on_message` is called with that message, too."""

    def on_message(self, message: Any) -> Any:
        """Called with each message of the client."""

    def on_close(self) -> Any:
        """Called once when the socket is closed by either side.

        It is called after every call of `on_connect`, even if that or another method raised an exception.
        """

    @cached_property
    def user(self) -> Any:
        """The user, read from the database before `permission` is checked; `AnonymousUser` for a visitor.

        Deleted and inactive users cannot open a socket. The object is not updated while the socket is open; call
        `refresh_from_db()` to read it again.
        """
        found = user_named(self._sub, self.info.meta) if self._sub else None
        return found if found is not None and getattr(found, "is_active", True) else AnonymousUser()

    def send(self, message: Any) -> bool:
        """Send a message that can be serialized as JSON. Return False if the socket is closed.

        It may be called from any thread or task. If the client reads too slowly, up to 10,000 messages or 8 MiB are
        buffered. If the buffer is full, `send` waits for up to 10 seconds in a thread, but not on the event loop: use
        `asend` there. If the buffer is still full, the socket is closed.

        Raises:
            InvalidMessage: the message is not serializable as JSON.
            TooLarge: the message has more than `protocol.MAX_PAYLOAD_BYTES` bytes.
        """
        return self._socket.send(message)

    async def asend(self, message: Any) -> bool:
        """Wait while the client reads too slowly, and then send a message as `send` does.

        Raises:
            InvalidMessage: the message is not serializable as JSON.
            TooLarge: the message has more than `protocol.MAX_PAYLOAD_BYTES` bytes.
        """
        return await self._socket.asend(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket after the messages that were sent before.

        Messages of the client that are not processed yet are dropped. It may be called from any thread or task.

        Raises:
            ValueError: the code is neither 1000 nor from 3000 to 4999, or the reason is longer than 123 bytes.
        """
        self._socket.close(code, reason)
