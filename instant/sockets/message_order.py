"""Puts the messages of a stream back in order: the server runs several commands of a connection at once."""

from __future__ import annotations

from typing import Any

#: Messages, and bytes of them, that may wait for an earlier one, and for how many seconds.
WINDOW = 1_000
MOST_BYTES = 4 * 1024 * 1024
PATIENCE = 5.0


class Gap(Exception):
    """A message that others wait for does not come."""


class Order:
    """Numbers are from 0 on, without a gap, a series for each stream."""

    def __init__(self) -> None:
        self.next = 0
        self._early: dict[int, tuple[Any, int]] = {}
        self._bytes = 0

    @property
    def is_waiting(self) -> bool:
        """Whether messages wait for an earlier one."""
        return bool(self._early)

    def take(self, number: int, message: Any, size: int = 0) -> list[Any]:
        """Return the messages whose turn it is now that this one is there; one that was there before is left out.

        Raises:
            Gap: more than WINDOW, or MOST_BYTES, wait for an earlier one.
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
