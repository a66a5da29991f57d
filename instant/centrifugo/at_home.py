"""Tests stay at home: with the backends "memory" and "console", and while messages are captured, no server is asked.

Else a site's tests would end the connections of real pages, if a server runs beside them. `live_server()` is the way
out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..conf.settings import conf
from ..exceptions import ServerError

#: The backends that send nothing.
BACKENDS = ("memory", "console")
#: What a server without clients answers. It has no history, so that a page has no position in one.
_ANSWERS: dict[str, dict[str, Any]] = {
    "channels": {"channels": {"channels": {}}},
    "presence": {"presence": {"presence": {}}},
    "presence_stats": {"presence_stats": {"num_clients": 0, "num_users": 0}},
    "history": {"error": {"code": 108, "message": "not available"}},
    "disconnect": {"disconnect": {}},
    "unsubscribe": {"unsubscribe": {}},
}

#: How many live servers run, and how many blocks capture messages.
_live: list[object] = []
_silenced: list[object] = []


def is_silent() -> bool:
    """Return whether no server is asked."""
    return not _live and (bool(_silenced) or conf.INSTANT_BROADCAST_WITH in BACKENDS)


@contextmanager
def with_server() -> Iterator[None]:
    """Ask the server in the block, whatever the backend is."""
    yield from _noted(_live)


@contextmanager
def silenced() -> Iterator[None]:
    """Ask no server in the block, but a live one."""
    yield from _noted(_silenced)


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


def _noted(where: list[object]) -> Iterator[None]:
    note = object()
    where.append(note)
    try:
        yield
    finally:
        where.remove(note)
