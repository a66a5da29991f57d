"""The server's replies, none of them empty: to it `{}` is a yes.

An error is never temporary, else clients would ask again and again; its codes are those of HTTP, from 400 on.
"""

from __future__ import annotations

from typing import Any, Final

BAD_REQUEST: Final = 400
FORBIDDEN: Final = 403
TOO_LARGE: Final = 413
TOO_MANY: Final = 429
INTERNAL: Final = 500

#: What is left to applications: codes below are the server's own, and to clients some of them mean "try again".
_ERRORS, _DISCONNECTS = range(400, 2000), range(4000, 5000)
#: Bytes of the reason in a close frame that the server takes.
_MAX_REASON = 32


def result(data: object) -> dict[str, Any]:
    """Answer a call with `data`."""
    return {"result": {"data": data}}


def error(code: int, message: str) -> dict[str, Any]:
    """Refuse; the caller is told the code and the message."""
    return {"error": {"code": code if code in _ERRORS else INTERNAL, "message": message, "temporary": False}}


def disconnect(code: int, reason: str) -> dict[str, Any]:
    """Close the connection; the client comes back by itself after codes below 4500."""
    reason = "".join(char for char in reason if char.isascii() and char.isprintable())[:_MAX_REASON]
    return {"disconnect": {"code": code if code in _DISCONNECTS else 4500, "reason": reason or "closed"}}
