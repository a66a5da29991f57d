"""Limit failed log-ins. They are counted in a cache, for each pair of account and address, and for each address.

There is no limit for an account from all addresses, because then anybody could lock its user out. A log-in is counted
before its password is checked, so that concurrent attempts cannot exceed the limit together. A successful log-in resets
the count of its account and address, and is subtracted from the count of its address.

If the cache is down or stores nothing, the process counts in its own memory. Users can still log in, and each process
still limits them. `cache.incr()` is atomic with Redis, Memcached and LocMemCache. With DatabaseCache and FileBasedCache
it is not: some concurrent attempts may be counted as one.
"""

from __future__ import annotations

import logging
import os
import time
import unicodedata
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib import auth
from django.core.cache import BaseCache, caches
from django.core.cache.backends.locmem import LocMemCache
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from ..conf.settings import conf
from ..process_state import PerProcess
from .client_address import client_address
from .json_views import Refused

logger = logging.getLogger("instant")

#: Seconds in which failures are counted together, beginning with the first failure.
WINDOW = 60
#: The most failures in that time: of one account from one address, and of all accounts from one address.
PAIR_FAILURES = 10
ADDRESS_FAILURES = 100
#: The most characters of a username that are compared.
_MAX_NAME = 1_000


def count_attempt(request: HttpRequest, username: str) -> Attempt:
    """Count a log-in before it is tried. Call `succeeded()` on the result if the password is right.

    Nothing is counted if django-axes limits log-ins. Nothing is counted if the address is unknown either, because all
    users would share one counter.

    Raises:
        Refused: there were too many failures, and the password must not be checked.
        InvalidSetting: a setting has a wrong value.
    """
    if is_left_to_axes():
        return Attempt(None)
    address = client_address(request)
    if not address:
        logger.warning("a log-in is not limited, because its request has no REMOTE_ADDR; set INSTANT_CLIENT_ADDRESS")
        return Attempt(None)
    pair = _reserve("pair", f"{conf.tenant}\0{_normalised(username)}\0{address}", PAIR_FAILURES)
    if pair.wait:
        _refuse(address, pair.wait)
    whole = _reserve("address", address, ADDRESS_FAILURES)
    if whole.wait:
        pair.subtract()
        _refuse(address, whole.wait)
    return Attempt((pair, whole))


def is_left_to_axes() -> bool:
    """Report whether django-axes limits log-ins.

    It does if AXES_ENABLED is true (the default), and one of its backends, or a subclass, is in use.
    """
    return getattr(settings, "AXES_ENABLED", True) and any(
        base.__module__.partition(".")[0] == "axes" for backend in auth.get_backends() for base in type(backend).__mro__
    )


@dataclass(frozen=True)
class Attempt:
    """A log-in that was counted twice: for its account and address together, and for its address.

    `counted` is None if the log-in is not limited.
    """

    counted: tuple[_Reservation, _Reservation] | None

    def succeeded(self) -> None:
        """Reset the count of account and address, and subtract this log-in from the count of the address."""
        if self.counted:
            pair, whole = self.counted
            pair.reset()
            whole.subtract()


@dataclass(frozen=True)
class _Reservation:
    """One counted attempt. `wait` is the number of seconds to wait if the limit is exceeded, otherwise 0.

    The value of `start_key` is the time at which the window began. Each window has its own `counter_key`, because
    `incr()` of some caches changes the timeout of a counter.
    """

    cache: BaseCache
    start_key: str
    counter_key: str
    wait: int

    def subtract(self) -> None:
        _ignoring_errors(self.cache.decr, self.counter_key)

    def reset(self) -> None:
        _ignoring_errors(self.cache.delete, self.start_key)


def _ignoring_errors(change: Any, key: str) -> None:
    """Change a counter and ignore errors. If the change fails, the count stays too high until the window ends."""
    try:
        change(key)
    except ValueError:
        pass  # the counter has expired
    except Exception as error:
        logger.warning("the cache of failed log-ins is not available: %s", error)


def _reserve(kind: str, subject: str, limit: int) -> _Reservation:
    """Count an attempt of `subject` in the cache of the settings.

    If the cache fails or stores nothing, count it in this process.
    """
    digest = salted_hmac(f"instant.login.{kind}", subject, algorithm="sha256").hexdigest()
    start_key = f"instant.login.{kind}.{digest}"
    try:
        found = _count(caches[conf.INSTANT_THROTTLE_CACHE], start_key, limit)
    except Exception as error:
        logger.warning("the cache of failed log-ins is not available, so only this process counts them: %s", error)
        found = None
    return found or _count(_local(), start_key, limit) or _Reservation(_local(), start_key, start_key, 0)


def _count(cache: BaseCache, start_key: str, limit: int) -> _Reservation | None:
    """Count an attempt in `cache`. Return None if the cache stores nothing."""
    now = time.time()
    cache.add(start_key, now, WINDOW)
    start = cache.get(start_key)
    if not isinstance(start, float):
        return None
    counter_key = f"{start_key}.{start!r}"
    cache.add(counter_key, 0, 2 * WINDOW)
    try:
        count = cache.incr(counter_key)
    except ValueError:
        return None
    left = min(max(round(start + WINDOW - now), 1), WINDOW)
    return _Reservation(cache, start_key, counter_key, left if count > limit else 0)


def _own_cache() -> LocMemCache:
    """Return the counters of this process, which are used when the cache fails."""
    cache = LocMemCache(f"instant.login.{os.getpid()}", {"OPTIONS": {"MAX_ENTRIES": 20_000}})
    cache.clear()
    return cache


_local = PerProcess(_own_cache)


def _normalised(username: str) -> str:
    """Return the same text for all spellings that a database may treat as one name: ignore case, accents and outer
    spaces.

    Different accounts with the same text share a counter, for one address only.
    """
    text = unicodedata.normalize("NFKD", username[:_MAX_NAME])
    text = "".join(char for char in text if not unicodedata.combining(char))
    return unicodedata.normalize("NFKD", text.casefold()).strip()


def _refuse(address: str, wait: int) -> None:
    logger.warning("refused a log-in from %r, because there were too many failures", address)
    raise Refused(429, "too_many", f"too many failed log-ins: try again in {wait} seconds", retry_after=wait)
