"""Who takes signals instead of browsers and queues: SignalQueue, in tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .queued_calls import Call


class Recorder(Protocol):
    """Keeps what would be sent."""

    def take_signal(self, topics: Sequence[str], name: str, opts: dict[str, Any]) -> None:
        """Keep a signal for the windows of these topics, by their serialized names."""

    def take_call(self, queue: str | None, call: Call) -> None:
        """Keep a call of Python functions; the queue None are those that are called at once."""


_recorders: list[Recorder] = []


def recorder() -> Recorder | None:
    """Return who takes signals now, if anyone."""
    return _recorders[-1] if _recorders else None


def push(one: Recorder) -> None:
    """Let `one` take all signals, of all threads."""
    _recorders.append(one)


def pop(one: Recorder) -> None:
    """Let it take no more."""
    _recorders[:] = [other for other in _recorders if other is not one]
