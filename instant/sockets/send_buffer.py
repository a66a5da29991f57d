"""What waits to be sent to a client: put in from any thread, taken out by the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

from .close_codes import UNSENT, Closing

#: What may wait: more is a client that does not read, or a handler that never lets the loop have its turn.
MOST = 10_000
MOST_BYTES = 8 * 1024 * 1024
#: Seconds that a thread waits for room. Meanwhile it serves nobody else.
PATIENCE = 10.0


class SendBuffer:
    """A bounded queue with an end. All but `put` and `end` belongs to the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._owner = threading.get_ident()
        self._items: deque[bytes] = deque()
        self._bytes = 0
        self._room = threading.Condition()
        self._news, self._taken = asyncio.Event(), asyncio.Event()
        self._told = False
        #: Why nothing more is put in; what waits goes out before. None as the end: without a word.
        self.closing: Closing | None = None
        self.is_over = False

    @property
    def is_full(self) -> bool:
        return len(self._items) >= MOST or self._bytes >= MOST_BYTES

    def put(self, item: bytes) -> bool:
        """Add an item, and tell whether it will be sent. A thread waits for room; the loop's own cannot, and where
        there is none the socket is closed."""
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
        """Take nothing more; tell whether this was the first end, which counts."""
        with self._room:
            return self._end(closing)

    def drop(self) -> None:
        """Forget what waits: nobody is there to read it."""
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
        elif not self._told or self.is_over:
            self._told = True
            try:
                self._loop.call_soon_threadsafe(self._ring)
            except RuntimeError:  # the loop is closed: its worker has ended
                self.is_over = True

    def _ring(self) -> None:
        self._news.set()
        if self.is_over:  # who waits for room need not, and nothing may be taken any more
            self._taken.set()

    async def take(self) -> list[bytes]:
        """Return what waits, as soon as there is something; nothing, where the end has come."""
        while True:
            with self._room:
                items = list(self._items)
                self._items.clear()
                self._bytes, self._told = 0, False
                self._news.clear()
                self._taken.set()
                self._room.notify_all()
                if items or self.is_over:
                    return items
            await self._news.wait()

    async def room(self) -> None:
        """Wait until there is room, on the loop."""
        while self.is_full and not self.is_over:
            self._taken.clear()
            await self._taken.wait()
