"""Handlers that echo, and one that tells how many of them were opened and closed."""

from __future__ import annotations

import threading
import time
from typing import Any

from instant.sockets import EVERYONE, WebSocketHandler


class Count:
    """How many were opened and closed, and when the last one was closed, by the clock that processes share."""

    lock = threading.Lock()
    opened = closed = last = 0


class _Counted(WebSocketHandler):
    permission = EVERYONE

    def on_connect(self) -> None:
        with Count.lock:
            Count.opened += 1

    def on_close(self) -> None:
        with Count.lock:
            Count.closed += 1
            Count.last = time.monotonic_ns()


class Plain(_Counted):
    def on_open(self, message: Any) -> bool:
        self.send(message)
        return True

    def on_message(self, message: Any) -> None:
        self.send(message)


class Async(_Counted):
    async def on_open(self, message: Any) -> bool:
        self.send(message)
        return True

    async def on_message(self, message: Any) -> None:
        self.send(message)


class Figures(WebSocketHandler):
    permission = EVERYONE

    def on_message(self, message: Any) -> None:
        self.send([Count.opened, Count.closed, Count.last])
