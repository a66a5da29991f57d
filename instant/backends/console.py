"""Backend that prints messages instead of sending them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from typing import ClassVar

from ..messages import Message, Receipt
from .base import BaseBackend


class ConsoleBackend(BaseBackend):
    """Write each message to standard output, one per line."""

    name: ClassVar[str] = "console"
    confirms: ClassVar[bool] = False

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        with self._lock:
            for message in messages:
                sys.stdout.write(f"[instant] {message.channel} {message.payload.decode()}\n")
            sys.stdout.flush()
        return [Receipt(message) for message in messages]
