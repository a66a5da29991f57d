"""Rates, counted in the memory of this process: a bucket for each user, connection or session.

No cache is asked: it would cost more than most calls, and if it is down it would stop them all. Each process of Django
counts for itself, so with several processes a user gets up to that many times the rate.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from ..process_state import reset_in_child

#: Buckets that are remembered; those that were used longest ago are forgotten first, and are full again.
MAX_CONNECTIONS = 20_000


class Buckets:
    """One bucket for each key: a call takes a token out, and time puts them back."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()
        reset_in_child(self._forget)

    def take(self, key: str, rate: tuple[int, float] | None) -> bool:
        """Count a call of `key`, and return whether it may be made: `rate` is calls and seconds."""
        if rate is None:
            return True
        now = self._clock()
        with self._lock:
            left = self._now_in(key, rate, now)
            self._left.pop(key, None)
            allowed = left >= 1
            self._left[key] = (left - 1 if allowed else left, now)
            if len(self._left) > MAX_CONNECTIONS:
                self._left.popitem(last=False)
        return allowed

    def wait(self, key: str, rate: tuple[int, float]) -> float:
        """Return the seconds until `key` may make its next call."""
        calls, seconds = rate
        with self._lock:
            left = self._now_in(key, rate, self._clock())
        return max(0.0, (1 - left) * seconds / calls)

    def _now_in(self, key: str, rate: tuple[int, float], now: float) -> float:
        calls, seconds = rate
        left, at = self._left.get(key, (float(calls), now))
        return min(float(calls), left + (now - at) * calls / seconds)

    def _forget(self) -> None:
        """A thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._left = OrderedDict()


#: The buckets of all calls: `key` is a user, or the connection of a visitor.
calls = Buckets()
