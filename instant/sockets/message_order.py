"""Restores the order of a stream's messages, because the server runs several commands of a connection concurrently."""

from __future__ import annotations

from typing import Any

#: Maximum number and total bytes of messages that wait for an earlier one, and the maximum wait in seconds.
WINDOW = 1_000
MOST_BYTES = 4 * 1024 * 1024
PATIENCE = 5.0


class Gap(Exception):
    """A message is missing, and too many others wait for it."""


class Order:
    """The numbered messages of one stream. Numbers start at 0 and have no gaps."""

    def __init__(self) -> None:
        self.next = 0
        self._early: dict[int, tuple[Any, int]] = {}
        self._bytes = 0

    @property
    def is_waiting(self) -> bool:
        """Whether messages wait for an earlier one."""
        return bool(self._early)

    def take(self, number: int, message: Any, size: int = 0) -> list[Any]:
        """Return the messages that are now in order. Duplicates are left out. `size` is in bytes.

        Raises:
            Gap: more than WINDOW messages or MOST_BYTES bytes wait for an earlier message.
        """
        if number < self.next or number in self._early:
            return []
        self._early[number] = message, size
        self._bytes += size
        ready = []
        while self.next in self._early:
            message, size = self._early.pop(self.next)
            ready.append(message)
            self._bytes -= size
            self.next += 1
        if not ready and (number > self.next + WINDOW or len(self._early) > WINDOW or self._bytes > MOST_BYTES):
            raise Gap
        return ready
