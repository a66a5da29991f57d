"""Puts the messages of a stream back in order: the server runs several commands of a connection at once."""

from __future__ import annotations

from typing import Any

#: Messages that may wait for an earlier one, and for how many seconds.
WINDOW = 1_000
PATIENCE = 5.0


class Gap(Exception):
    """A message that others wait for does not come."""


class Order:
    """Numbers are from 0 on, without a gap, a series for each stream."""

    def __init__(self) -> None:
        self.next = 0
        self._early: dict[int, Any] = {}

    @property
    def is_waiting(self) -> bool:
        """Whether messages wait for an earlier one."""
        return bool(self._early)

    def take(self, number: int, message: Any) -> list[Any]:
        """Return the messages whose turn it is now that this one is there; one that was there before is left out.

        Raises:
            Gap: more than WINDOW wait for an earlier one.
        """
        if number < self.next or number in self._early:
            return []
        if number != self.next:
            self._early[number] = message
            if number > self.next + WINDOW or len(self._early) > WINDOW:
                raise Gap
            return []
        ready = [message]
        self.next += 1
        while self.next in self._early:
            ready.append(self._early.pop(self.next))
            self.next += 1
        return ready
