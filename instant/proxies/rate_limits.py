"""How many calls a connection may make: a bucket each, in the memory of this process.

No cache is asked: it would cost more than most calls, and one that is away would stop them all. Each process of Django
counts for itself, so that with several of them a connection gets up to so many times as much.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from ..process_state import reset_in_child

#: Connections that are remembered; those that called longest ago are forgotten first, and have a full bucket again.
MAX_CONNECTIONS = 20_000


class Buckets:
    """One bucket for each connection: a call takes a token out, and time puts them back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()
        reset_in_child(self._forget)

    def take(self, client: str, rate: tuple[int, float] | None) -> bool:
        """Count a call of this connection, and tell whether it may be made: `rate` is calls and seconds."""
        if rate is None:
            return True
        calls, seconds = rate
        now = self._clock()
        with self._lock:
            left, at = self._left.pop(client, (float(calls), now))
            left = min(float(calls), left + (now - at) * calls / seconds)
            allowed = left >= 1
            self._left[client] = (left - 1 if allowed else left, now)
            if len(self._left) > MAX_CONNECTIONS:
                self._left.popitem(last=False)
        return allowed

    def _forget(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._left = OrderedDict()


#: Those of all calls.
calls = Buckets()
