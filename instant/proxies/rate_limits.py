"""Rate limits of calls: token buckets in the memory of this process, one for each user, connection or session.

A cache would cost more than most calls, and its outage would stop all calls. Each process of Django counts separately,
so with several processes a user gets up to that many times the rate.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from ..process_state import PerProcess

#: The most buckets that are kept. Those that were not used for the longest time are dropped first, which makes them
#: full again.
MAX_CONNECTIONS = 20_000


class _Counted:
    """The number of calls that each bucket has left, and the time of that number."""

    def __init__(self) -> None:
        self.left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.lock = threading.Lock()

    def now_in(self, key: str, rate: tuple[int, float], now: float) -> float:
        calls, seconds = rate
        left, at = self.left.get(key, (float(calls), now))
        return min(float(calls), left + (now - at) * calls / seconds)


class Buckets:
    """Token buckets by key: a call takes a token, and the bucket refills over time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counted = PerProcess(_Counted)

    def take(self, key: str, rate: tuple[int, float] | None) -> bool:
        """Count a call of `key`, and report whether it is allowed.

        `rate` is a number of calls and the seconds in which they may be made. None means no limit.
        """
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
        """Return the seconds until `key` may make its next call. `rate` is as with `take`."""
        calls, seconds = rate
        counted = self._counted()
        with counted.lock:
            left = counted.now_in(key, rate, self._clock())
        return max(0.0, (1 - left) * seconds / calls)


#: The buckets of all calls. A key is a user, or the connection of a visitor.
calls = Buckets()
