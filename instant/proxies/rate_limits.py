"""Rate limits of calls, counted in the memory of this process: a bucket for each user, connection or session.

A cache would cost more than most calls, and its outage would stop all calls. Each process of Django counts for itself,
so with several processes a user gets up to that many times the rate.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from ..process_state import PerProcess

#: The most buckets that are kept. Those that were unused for longest are dropped first; they are full again.
MAX_CONNECTIONS = 20_000


class _Counted:
    """How many calls each bucket has left, and since when."""

    def __init__(self) -> None:
        self.left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.lock = threading.Lock()

    def now_in(self, key: str, rate: tuple[int, float], now: float) -> float:
        calls, seconds = rate
        left, at = self.left.get(key, (float(calls), now))
        return min(float(calls), left + (now - at) * calls / seconds)


class Buckets:
    """A bucket for each key: a call takes a token out, and time puts it back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counted = PerProcess(_Counted)

    def take(self, key: str, rate: tuple[int, float] | None) -> bool:
        """Count a call of `key`, and report whether it is allowed. `rate` is a number of calls and seconds."""
        if rate is None:
            return True
        now, counted = self._clock(), self._counted()
        with counted.lock:
            left = counted.now_in(key, rate, now)
            counted.left.pop(key, None)
            allowed = left >= 1
            counted.left[key] = (left - 1 if allowed else left, now)
            if len(counted.left) > MAX_CONNECTIONS:
                counted.left.popitem(last=False)
        return allowed

    def wait(self, key: str, rate: tuple[int, float]) -> float:
        """Return the seconds until `key` may make its next call."""
        calls, seconds = rate
        counted = self._counted()
        with counted.lock:
            left = counted.now_in(key, rate, self._clock())
        return max(0.0, (1 - left) * seconds / calls)


#: The buckets of all calls: `key` is a user, or the connection of a visitor.
calls = Buckets()
