"""Keeps tests away from a real server.

No request is sent with the backends "memory" and "console", and while a test captures messages.

Otherwise the tests of a site could close the connections of real pages when a server runs on the same machine.
`live_server()` is the exception: it runs a server for a test.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from ..conf.settings import conf
from ..exceptions import ServerError

#: The backends that send nothing.
BACKENDS = ("memory", "console")
#: The responses of a server without clients, by API method. Error 108 means that a channel has no history.
_ANSWERS: dict[str, dict[str, Any]] = {
    "channels": {"channels": {"channels": {}}},
    "presence": {"presence": {"presence": {}}},
    "presence_stats": {"presence_stats": {"num_clients": 0, "num_users": 0}},
    "history": {"error": {"code": 108, "message": "not available"}},
    "disconnect": {"disconnect": {}},
    "unsubscribe": {"unsubscribe": {}},
}

#: The running `with` blocks that use a live server, and those that capture messages.
_live: list[object] = []
_silenced: list[object] = []


def is_silent() -> bool:
    """Return whether requests to the server are suppressed."""
    return not _live and (bool(_silenced) or conf.INSTANT_BROADCAST_WITH in BACKENDS)


def is_test() -> bool:
    """Return whether Django's test environment is active without a live server.

    No background thread may run in that case. It would outlive the test, and its database connection would block the
    removal of the test database.
    """
    utils = sys.modules.get("django.test.utils")
    return not _live and hasattr(getattr(utils, "_TestState", None), "saved_data")


def with_server() -> AbstractContextManager[None]:
    """Send requests to the server while the block runs, with any backend."""
    return _noted_in(_live)


def silenced() -> AbstractContextManager[None]:
    """Suppress requests to the server while the block runs, except to a live server of a test."""
    return _noted_in(_silenced)


def answer(method: str, body: bytes) -> dict[str, Any]:
    """Return the response of a server without clients.

    Raises:
        ServerError: there is no such response for `method`; a real server is needed.
    """
    if method == "batch":
        return {"replies": [_reply(next(iter(command))) for command in json.loads(body)["commands"]]}
    reply = _reply(method)
    return reply if "error" in reply else {"result": reply[method]}


def require_server() -> None:
    """Raise an error if requests to the server are suppressed.

    Raises:
        ServerError: requests are suppressed.
    """
    if is_silent():
        raise _refusal()


def _refusal() -> ServerError:
    what = f"INSTANT_BROADCAST_WITH is {conf.INSTANT_BROADCAST_WITH!r}" if not _silenced else "a test captures messages"
    return ServerError(
        f"no request was sent to the server, because {what}; use live_server() to run a server in a test"
    )


def _reply(method: str) -> dict[str, Any]:
    if method not in _ANSWERS:
        raise _refusal()
    return _ANSWERS[method]


@contextmanager
def _noted_in(blocks: list[object]) -> Iterator[None]:
    block = object()
    blocks.append(block)
    try:
        yield
    finally:
        blocks.remove(block)
