"""Keeps what would be sent: the backend of tests, see `instant.testing.capture_published`."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import ClassVar

from ..messages import Message, Receipt
from .base import BaseBackend


class MemoryBackend(BaseBackend):
    """Keep each message in `messages`, in the order in which they were sent."""

    name: ClassVar[str] = "memory"
    confirms: ClassVar[bool] = False

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self._lock = threading.Lock()

    def send(self, messages: Sequence[Message], timeout: float | None = None) -> list[Receipt]:
        with self._lock:
            self.messages.extend(messages)
        return [Receipt(message) for message in messages]
