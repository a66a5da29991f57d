"""Replies to Centrifugo. No reply is empty, because `{}` would mean success.

No error is temporary, because clients would retry without end. The codes are HTTP status codes of 400 and above.
"""

from __future__ import annotations

from typing import Any, Final

BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
TOO_LARGE: Final = 413
TOO_MANY: Final = 429
INTERNAL: Final = 500

#: The codes that Centrifugo leaves to applications. Lower codes are its own, and some of them make clients retry.
_ERRORS, _DISCONNECTS = range(400, 2000), range(4000, 5000)
#: The maximum length in bytes of the reason in a close frame.
_MAX_REASON = 32


def result(data: object) -> dict[str, Any]:
    """Return the reply with the result of a call."""
    return {"result": {"data": data}}


def error(code: int, message: str) -> dict[str, Any]:
    """Return the reply that refuses a call. The caller receives the code and the message."""
    return {"error": {"code": code if code in _ERRORS else INTERNAL, "message": message, "temporary": False}}


def disconnect(code: int, reason: str) -> dict[str, Any]:
    """Return a reply that closes the connection. The client reconnects if the code is below 4500."""
    reason = "".join(char for char in reason if char.isascii() and char.isprintable())[:_MAX_REASON]
    return {"disconnect": {"code": code if code in _DISCONNECTS else 4500, "reason": reason or "closed"}}
