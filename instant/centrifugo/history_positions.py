"""The current positions of channels in their history. A page that joins at its position misses no message.

Positions are requested while a page is rendered, so the time is limited, and after a failure no request is sent for a
while.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ..channels.server_names import on_server
from ..chunks import chunks
from ..conf.settings import conf
from ..exceptions import ServerError
from ..protocol import MAX_BATCH_COMMANDS
from . import http

logger = logging.getLogger("instant")

#: Seconds that one page may take for all of its channels.
TIMEOUT = 0.2
#: Seconds without requests after a failure. Otherwise every page would wait for the timeout.
PAUSE = 10.0

#: The end of the pause, in seconds of time.monotonic(), by the server's address. Tests use several servers.
_paused: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Position:
    """Position in a channel's history; a client that joins with it receives everything after it."""

    offset: int
    epoch: str


def positions(names: Iterable[str]) -> dict[str, Position]:
    """Return the current positions of these channels.

    Channels without history are left out. After a failure, the result is empty.
    """
    found: dict[str, Position] = {}
    asking = _Asking()
    try:
        for part in asking.parts(names):
            found |= _read(part, http.post("batch", _body(part), asking.left()))
    except ServerError as error:
        asking.failed(error)
        return {}
    return found


async def apositions(names: Iterable[str]) -> dict[str, Position]:
    """Return the same as `positions`, on the running event loop."""
    found: dict[str, Position] = {}
    asking = _Asking()
    try:
        for part in asking.parts(names):
            found |= _read(part, await http.apost("batch", _body(part), asking.left()))
    except ServerError as error:
        asking.failed(error)
        return {}
    return found


class _Asking:
    """One query for positions, split into as many requests as necessary."""

    def __init__(self) -> None:
        self.url = conf.server_url
        self.started = time.monotonic()

    def parts(self, names: Iterable[str]) -> Iterator[list[str]]:
        if self.started < _paused.get(self.url, 0.0):
            return
        yield from chunks(dict.fromkeys(names), MAX_BATCH_COMMANDS)

    def left(self) -> float:
        return max(self.started + TIMEOUT - time.monotonic(), 0.001)

    def failed(self, error: ServerError) -> None:
        now = time.monotonic()
        if _paused.get(self.url, 0.0) <= now:  # concurrent failures are logged once
            _paused[self.url] = now + PAUSE
            logger.warning("pages are rendered without channel positions for %.0f s: %s", PAUSE, error)


def _body(names: list[str]) -> bytes:
    return json.dumps({"commands": [{"history": {"channel": on_server(name), "limit": 0}} for name in names]}).encode()


def _read(names: list[str], answer: dict[str, Any]) -> dict[str, Position]:
    """Return the positions in a response.

    Replies with an error are left out: a namespace without history (108), or an unknown one (102).
    """
    results = (reply.get("history") or {} for reply in answer.get("replies", []))
    return {
        name: Position(result.get("offset", 0), result["epoch"])
        for name, result in zip(names, results, strict=False)
        if result.get("epoch")
    }
