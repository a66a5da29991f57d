"""The server's errors, close codes and unsubscribe codes, and the exceptions that carry them.

The numbers and texts are Centrifugo's. SDKs decide by the number whether to retry.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Error(NamedTuple):
    """An error in a reply. Clients retry after a temporary error."""

    code: int
    message: str
    temporary: bool = False

    def encoded(self) -> dict[str, object]:
        """Return the error as an object for a client's reply."""
        fields: dict[str, object] = {"code": self.code, "message": self.message}
        return {**fields, "temporary": True} if self.temporary else fields


class Disconnect(NamedTuple):
    """The code and reason of a closed connection.

    SDKs reconnect after the codes 3000-3499 and 4000-4499, and not after others.
    """

    code: int
    reason: str


class Unsubscribe(NamedTuple):
    """The code and reason of an ended subscription. SDKs subscribe again after codes from 2500."""

    code: int
    reason: str


class ReplyError(Exception):
    """The command is refused: reply with an error."""

    def __init__(self, error: Error) -> None:
        self.error = error
        super().__init__(error)


class CloseError(Exception):
    """The command is refused: close the connection."""

    def __init__(self, disconnect: Disconnect) -> None:
        self.disconnect = disconnect
        super().__init__(disconnect)


INTERNAL: Final = Error(100, "internal server error", temporary=True)
UNKNOWN_CHANNEL: Final = Error(102, "unknown channel")
PERMISSION_DENIED: Final = Error(103, "permission denied")
METHOD_NOT_FOUND: Final = Error(104, "method not found")
ALREADY_SUBSCRIBED: Final = Error(105, "already subscribed")
LIMIT_EXCEEDED: Final = Error(106, "limit exceeded")
BAD_REQUEST: Final = Error(107, "bad request")
NOT_AVAILABLE: Final = Error(108, "not available")
TOKEN_EXPIRED: Final = Error(109, "token expired")
EXPIRED: Final = Error(110, "expired")
UNRECOVERABLE_POSITION: Final = Error(112, "unrecoverable position")

SERVER_UNSUBSCRIBED: Final = Unsubscribe(2000, "server unsubscribe")
INSUFFICIENT_SUBSCRIPTION: Final = Unsubscribe(2500, "insufficient state")
SUBSCRIPTION_EXPIRED: Final = Unsubscribe(2501, "subscription expired")

#: This code is not sent: the socket is dropped without a close frame.
DROPPED: Final = Disconnect(3000, "")
SHUTDOWN: Final = Disconnect(3001, "shutdown")
SERVER_ERROR: Final = Disconnect(3004, "internal server error")
CONNECTION_EXPIRED: Final = Disconnect(3005, "connection expired")
CLOSED_SUBSCRIPTION_EXPIRED: Final = Disconnect(3006, "subscription expired")
SLOW: Final = Disconnect(3008, "slow")
INSUFFICIENT_STATE: Final = Disconnect(3010, "insufficient state")
NO_PONG: Final = Disconnect(3012, "no pong")
INVALID_TOKEN: Final = Disconnect(3500, "invalid token")
CLOSED_BAD_REQUEST: Final = Disconnect(3501, "bad request")
STALE: Final = Disconnect(3502, "stale")
FORCED: Final = Disconnect(3503, "force disconnect")
CONNECTION_LIMIT: Final = Disconnect(3504, "connection limit")
CHANNEL_LIMIT: Final = Disconnect(3505, "channel limit")
CLOSED_PERMISSION_DENIED: Final = Disconnect(3507, "permission denied")
CLOSED_NOT_AVAILABLE: Final = Disconnect(3508, "not available")
