"""WebSocketHandler: what a site does with one socket, as a class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Protocol

from django.contrib.auth.models import AnonymousUser

from ..access.guards import is_authenticated
from ..channels.user_ids import user_named


class OpenSocket(Protocol):
    """What a handler uses of its socket; see `instant.sockets.connection`."""

    def send(self, message: Any) -> bool: ...
    async def asend(self, message: Any) -> bool: ...
    def close(self, code: int, reason: str) -> None: ...


@dataclass(frozen=True, slots=True)
class SocketInfo:
    """What else is known of a socket.

    `transport` is "centrifugo", "websocket" for the plain bridge, or "test". `meta` is what Django signed into the
    connection's token, and `headers` has the browser's user-agent and accept-language, in lower case.
    """

    transport: str
    channel: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


class WebSocketHandler:
    """One object for each open socket: what you keep on `self` lives as long as the socket.

    Each method may be plain or `async`. Plain ones run in a thread, so that they may use the database; those of one
    socket never run at the same time.
    """

    #: Who may open a socket: a guard such as `is_staff` or `everyone`, a permission as "app.codename", a function of
    #: the user, or a method `permission(self)`, plain or async.
    permission: Any = is_authenticated

    #: The name by which it was opened, the client's id, what the page gave as `data`, and what else is known.
    namespace: str = ""
    client_id: str = ""
    data: Any = None
    info: SocketInfo = SocketInfo("")

    _NAMES: ClassVar[tuple[str, ...]] = ("on_connect", "on_open", "on_message", "on_close")
    _socket: OpenSocket
    _sub: str = ""

    def on_connect(self) -> Any:
        """The socket is open."""

    def on_open(self, message: Any) -> Any:
        """The first message. Where this returns None, `on_message` gets it, too."""

    def on_message(self, message: Any) -> Any:
        """A message of the client."""

    def on_close(self) -> Any:
        """The socket is closed, by whomever. Called once, whatever happened after `on_connect` was called."""

    @cached_property
    def user(self) -> Any:
        """The user, read from the database before `permission` is asked; an `AnonymousUser` for a visitor.

        A deleted or inactive user opens no socket. Like all that is kept on `self` it may become old:
        `refresh_from_db()` reads it again.
        """
        found = user_named(self._sub, self.info.meta) if self._sub else None
        return found if found is not None and getattr(found, "is_active", True) else AnonymousUser()

    def send(self, message: Any) -> bool:
        """Send what JSON can hold to the client; False where the socket is closed. For any thread and task.

        A thread waits where the client reads too slowly. On the event loop nothing can wait: there the socket is
        closed where too much is unsent, unless `asend` is used.

        Raises:
            InvalidMessage: JSON cannot hold it, or it is too large.
        """
        return self._socket.send(message)

    async def asend(self, message: Any) -> bool:
        """Send as `send` does, and wait while the client reads too slowly."""
        return await self._socket.asend(message)

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the socket, after what was sent. Messages that were not read yet are dropped. For any thread and task.

        Raises:
            ValueError: the code is neither 1000 nor from 3000 to 4999, or the reason is longer than 123 bytes.
        """
        self._socket.close(code, reason)
