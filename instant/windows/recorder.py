"""Records signals in tests instead of sending them to browsers and queues, see `SignalQueue`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from .queued_calls import Call


class Recorder(Protocol):
    """An object that records signals."""

    def take_signal(self, topics: Sequence[str], name: str, opts: dict[str, Any]) -> None:
        """Record a signal for the windows of these topics, given by their serialized names."""

    def take_call(self, queue: str | None, call: Call) -> None:
        """Record a call of Python functions. `queue` is None if they are called without a queue."""


_recorders: list[Recorder] = []


def recorder() -> Recorder | None:
    """Return the current recorder, or None."""
    return _recorders[-1] if _recorders else None


def push(one: Recorder) -> None:
    """Start to record the signals of all threads with this recorder."""
    _recorders.append(one)


def pop(one: Recorder) -> None:
    """Stop recording with this recorder."""
    _recorders[:] = [other for other in _recorders if other is not one]
