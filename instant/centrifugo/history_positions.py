"""Where channels stand in their history: a page that knows it joins there, and misses nothing in between.

It is asked while a page is made, so it never takes long, and a server that fails is left alone for a while.
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

#: Seconds that a page waits at most, however many channels it has.
TIMEOUT = 0.2
#: Seconds after a failure in which the server is not asked: each page would wait in vain.
PAUSE = 10.0

#: Until when a server is left alone, by its address: another one, as in tests, has not failed.
_paused: dict[str, float] = {}


@dataclass(frozen=True, slots=True)
class Position:
    """What a client joins a channel with to get all that comes after."""

    offset: int
    epoch: str


def positions(names: Iterable[str]) -> dict[str, Position]:
    """Return where these channels stand now; those without history, and all after a failure, are left out."""
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
    """Return what `positions` does, on the running event loop."""
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
    """One question, in as many requests as the server takes."""

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
        if _paused.get(self.url, 0.0) <= now:  # of requests that fail side by side, one tells
            _paused[self.url] = now + PAUSE
            logger.warning("pages do without the channels' positions for %.0f s: %s", PAUSE, error)


def _body(names: list[str]) -> bytes:
    return json.dumps({"commands": [{"history": {"channel": on_server(name), "limit": 0}} for name in names]}).encode()


def _read(names: list[str], answer: dict[str, Any]) -> dict[str, Position]:
    """A reply with an error, of a namespace without history (108) or an unknown one (102), is no position."""
    results = (reply.get("history") or {} for reply in answer.get("replies", []))
    return {
        name: Position(result.get("offset", 0), result["epoch"])
        for name, result in zip(names, results, strict=False)
        if result.get("epoch")
    }
