"""Tests stay at home: with the backends "memory" and "console", and while messages are captured, no server is asked.

Else a site's tests would end the connections of real pages, if a server runs beside them. `live_server()` is the way
out.
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
#: The answers of a server without clients, by method. Error 108 says that a channel has no history.
_ANSWERS: dict[str, dict[str, Any]] = {
    "channels": {"channels": {"channels": {}}},
    "presence": {"presence": {"presence": {}}},
    "presence_stats": {"presence_stats": {"num_clients": 0, "num_users": 0}},
    "history": {"error": {"code": 108, "message": "not available"}},
    "disconnect": {"disconnect": {}},
    "unsubscribe": {"unsubscribe": {}},
}

#: The blocks that run a live server, and those that capture messages.
_live: list[object] = []
_silenced: list[object] = []


def is_silent() -> bool:
    """Return whether no server is asked."""
    return not _live and (bool(_silenced) or conf.INSTANT_BROADCAST_WITH in BACKENDS)


def is_test() -> bool:
    """Return whether Django's test environment is active without a live server.

    Then no background thread may run: it would outlive the test, and its connection would block the removal of the
    test database.
    """
    utils = sys.modules.get("django.test.utils")
    return not _live and hasattr(getattr(utils, "_TestState", None), "saved_data")


def with_server() -> AbstractContextManager[None]:
    """Ask the server in the block, whatever the backend is."""
    return _noted_in(_live)


def silenced() -> AbstractContextManager[None]:
    """Ask no server in the block, but a live one."""
    return _noted_in(_silenced)


def answer(method: str, body: bytes) -> dict[str, Any]:
    """Return what a server without clients would answer.

    Raises:
        ServerError: there is no such answer: it is for a server.
    """
    if method == "batch":
        return {"replies": [_reply(next(iter(command))) for command in json.loads(body)["commands"]]}
    reply = _reply(method)
    return reply if "error" in reply else {"result": reply[method]}


def require_server() -> None:
    """Refuse what only a server can answer.

    Raises:
        ServerError: no server is asked.
    """
    if is_silent():
        raise _refusal()


def _refusal() -> ServerError:
    what = f"INSTANT_BROADCAST_WITH is {conf.INSTANT_BROADCAST_WITH!r}" if not _silenced else "a test captures messages"
    return ServerError(f"no server is asked, because {what}; live_server() runs one for a test")


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
