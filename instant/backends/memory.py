"""Keeps what would be sent: the backend of tests, see `instant.testing.capture_published`."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar

from ..messages import Message, Receipt
from .base import BaseBackend

#: Messages in the order in which they were sent, by channel and uid: the server, too, takes a uid once in a channel.
Box = dict[tuple[str, str], Message]


class MemoryBackend(BaseBackend):
    """Keep each message in `messages`, in the order in which they were sent, or in the open captures."""

    name: ClassVar[str] = "memory"
    confirms: ClassVar[bool] = False

    def __init__(self) -> None:
        self._box: Box = {}
        self._captures: list[Box] = []
        self._lock = threading.Lock()

    @property
    def messages(self) -> list[Message]:
        """What was sent while no capture was open, as a list of its own."""
        return list(self._box.values())

    def clear(self) -> None:
        """Forget what was sent."""
        self._box.clear()

    @contextmanager
    def capture(self) -> Iterator[Box]:
        """Keep what is sent inside the block in a box of its own; the box of a block around it gets it, too."""
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
