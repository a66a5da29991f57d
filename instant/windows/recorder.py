"""Records signals in tests, instead of sending them to browsers and queues; see SignalQueue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .queued_calls import Call


class Recorder(Protocol):
    """Records what would be sent."""

    def take_signal(self, topics: Sequence[str], name: str, opts: dict[str, Any]) -> None:
        """Record a signal for the windows of these topics, by their serialized names."""

    def take_call(self, queue: str | None, call: Call) -> None:
        """Record a call of Python functions. The queue None has those that are called at once."""


_recorders: list[Recorder] = []


def recorder() -> Recorder | None:
    """Return the current recorder, or None."""
    return _recorders[-1] if _recorders else None


def push(one: Recorder) -> None:
    """Let `one` record all signals of all threads."""
    _recorders.append(one)


def pop(one: Recorder) -> None:
    """Stop its recording."""
    _recorders[:] = [other for other in _recorders if other is not one]
