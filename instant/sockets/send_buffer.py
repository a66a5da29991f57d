"""The messages that wait to be sent to a client. Any thread adds messages; the event loop removes them."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from .close_codes import UNSENT, Closing

#: Maximum number and total bytes of waiting messages. They exceed it if a client does not read, or a handler blocks the
#: event loop.
MOST = 10_000
MOST_BYTES = 8 * 1024 * 1024
#: Seconds that a thread waits for a full buffer. The thread does nothing else meanwhile.
PATIENCE = 10.0


class SendBuffer:
    """A bounded queue that can be closed. Only `put` and `end` may be called from any thread."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = threading.get_ident()
        self._items: deque[bytes] = deque()
        self._bytes = 0
        self._room = threading.Condition()
        self._news, self._taken = asyncio.Event(), asyncio.Event()
        self._is_waking = False
        #: The close code and reason that follow the waiting messages, or None to end without a code.
        self.closing: Closing | None = None
        self.is_over = False

    @property
    def is_full(self) -> bool:
        return len(self._items) >= MOST or self._bytes >= MOST_BYTES

    def put(self, item: bytes) -> bool:
        """Add a message. Return whether it will be sent.

        If the buffer is full, a thread waits for up to PATIENCE seconds. The event loop cannot wait. If the buffer is
        still full, the socket is closed.
        """
        with self._room:
            if self.is_full and threading.get_ident() != self._owner:
                self._room.wait_for(lambda: self.is_over or not self.is_full, PATIENCE)
            if self.is_over:
                return False
            if self.is_full:
                self._end(UNSENT)
                return False
            self._items.append(item)
            self._bytes += len(item)
            self._wake()
        return True

    def end(self, closing: Closing | None) -> bool:
        """Accept no more messages. Return whether this was the first end; later ones have no effect."""
        with self._room:
            return self._end(closing)

    def drop(self) -> None:
        """Remove all waiting messages, because the client has disconnected."""
        with self._room:
            self._end(None)
            self._items.clear()
            self._bytes = 0

    def _end(self, closing: Closing | None) -> bool:
        if self.is_over:
            return False
        self.closing, self.is_over = closing, True
        self._room.notify_all()
        self._wake()
        return True

    def _wake(self) -> None:
        if threading.get_ident() == self._owner:
            self._ring()
        elif not self._is_waking or self.is_over:
            self._is_waking = True
            try:
                self._loop.call_soon_threadsafe(self._ring)
            except RuntimeError:  # the event loop is closed, because its worker has ended
                self.is_over = True

    def _ring(self) -> None:
        self._news.set()
        if self.is_over:  # wakes the tasks in room(): they must not wait any longer
            self._taken.set()

    async def take(self) -> list[bytes]:
        """Return the waiting messages as soon as there are any, or an empty list after the end."""
        while True:
            with self._room:
                items = list(self._items)
                self._items.clear()
                self._bytes, self._is_waking = 0, False
                self._news.clear()
                self._taken.set()
                self._room.notify_all()
                if items or self.is_over:
                    return items
            await self._news.wait()

    async def room(self) -> None:
        """Wait on the event loop until the buffer is not full."""
        while self.is_full and not self.is_over:
            self._taken.clear()
            await self._taken.wait()
