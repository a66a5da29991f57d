"""Codes and reasons that a client receives when a socket is closed or refused."""

from __future__ import annotations

from typing import Final, NamedTuple

from ..exceptions import Deny
from ..protocol import REVOKED_CODE, REVOKED_REASON


class Closing(NamedTuple):
    """Code and reason of a closed socket, as in a browser's CloseEvent."""

    code: int
    reason: str


NORMAL: Final = Closing(1000, "")
#: Sent to a plain WebSocket when the worker stops. A stream is ended without a code, and its client reconnects.
GOING_AWAY: Final = Closing(1001, "going away")
UNSUPPORTED: Final = Closing(1003, "text only")
TRY_LATER: Final = 1013
BAD_MESSAGE: Final = Closing(4400, "bad message")
FAILED: Final = Closing(4500, "internal error")
REVOKED: Final = Closing(REVOKED_CODE, REVOKED_REASON)
GAP: Final = Closing(4502, "gap")
UNREAD: Final = Closing(4503, "too many messages unread")
UNSENT: Final = Closing(4504, "too many messages unsent")

#: Maximum length of a close reason in bytes, a limit of WebSocket's close frame.
_LONGEST = 123


def checked(code: int, reason: str) -> Closing:
    """Return the code and reason that a handler has chosen.

    Raises:
        ValueError: a browser would not accept the code or the reason.
    """
    if isinstance(code, bool) or not isinstance(code, int) or not (code == 1000 or 3000 <= code <= 4999):
        raise ValueError(f"The code of close() is 1000, or from 3000 to 4999, not {code!r}.")
    if not isinstance(reason, str) or len(reason.encode()) > _LONGEST:
        raise ValueError(f"The reason of close() is text of at most {_LONGEST} bytes, not {reason!r:.60}.")
    return Closing(code, reason)


def bad_name() -> Deny:
    return Deny(400, "invalid socket name")


def unknown(name: str) -> Deny:
    return Deny(404, f"there is no socket {name!r}")


def forbidden() -> Deny:
    return Deny(403, "permission denied")


def failed() -> Deny:
    return Deny(500, "internal error")


def too_many() -> Deny:
    return Deny(503, "too many sockets are open")


def of_refusal(refusal: Deny) -> Closing:
    """Return the close code and reason for a refused plain WebSocket; for example, 404 becomes 4404."""
    if refusal.code == 503:
        return Closing(TRY_LATER, refusal.reason)
    code = 4000 + refusal.code if 400 <= refusal.code <= 499 else FAILED.code if refusal.code == 500 else 4403
    return Closing(code, refusal.reason.encode()[:_LONGEST].decode("utf-8", "ignore"))
