"""Waiting for events. On a busy machine, PATIENCE=3 in the environment makes all tests wait three times as long."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable

#: By how much each time limit is stretched.
FACTOR = float(os.environ.get("PATIENCE", "1"))
#: Seconds after which an event that has not happened is a failure.
PATIENCE = 60 * FACTOR


def until(happened: Callable[[], object], what: object = "it did not happen", seconds: float = PATIENCE) -> float:
    """Wait until the condition is true, and return how many seconds that took.

    Raises:
        AssertionError: it was not true in `seconds`. The text is `what`, or what that returns.
    """
    started = time.monotonic()
    while not happened():
        assert time.monotonic() < started + seconds, what() if callable(what) else what
        time.sleep(0.01)
    return time.monotonic() - started


async def auntil(happened: Callable[[], object], what: object = "it did not happen", seconds: float = PATIENCE) -> None:
    """Do what `until` does, on the running event loop."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, what() if callable(what) else what
        await asyncio.sleep(0.01)
