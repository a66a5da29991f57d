"""Backend that keeps messages in memory for tests; see `instant.testing.capture_published`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from ..messages import Message, Receipt
from .base import BaseBackend

#: Messages in the order of sending, by channel and uid. Like the server, it accepts a uid once per channel.
Box = dict[tuple[str, str], Message]


class MemoryBackend(BaseBackend):
    """Keeps the messages in `messages`, or in the open captures, in the order of sending."""

    name: ClassVar[str] = "memory"
    confirms: ClassVar[bool] = False

    def __init__(self) -> None:
        self._box: Box = {}
        self._captures: list[Box] = []
        self._lock = threading.Lock()

    @property
    def messages(self) -> list[Message]:
        """A new list of the messages that were sent while no capture was open."""
        return list(self._box.values())

    def clear(self) -> None:
        """Remove all messages."""
        self._box.clear()

    @contextmanager
    def capture(self) -> Iterator[Box]:
        """Capture the messages that are sent inside the block. An enclosing capture receives them, too."""
        box: Box = {}
        self._captures.append(box)
        try:
            yield box
        finally:
            self._captures = [other for other in self._captures if other is not box]

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        with self._lock:
            for box in self._captures or [self._box]:
                for message in messages:
                    box.setdefault((message.channel, message.uid), message)
        return [Receipt(message) for message in messages]
