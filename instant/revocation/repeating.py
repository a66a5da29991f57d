"""recheck(), and the thread that repeats revocations until the tokens given out before them have expired.

The server remembers no revocation, and a token that was saved joins again while it lasts. So a revocation is a row in
the database, written in the transaction of the change. It is applied at the commit, and again every `INTERVAL` seconds
until the channel tokens that were given out before have expired. Each time, what is true then decides: users who got
the permission back stay in the channel.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable
from datetime import timedelta
from functools import partial
from typing import Any

from django.db import close_old_connections, connections, transaction
from django.utils import timezone

from ..channels.user_ids import user_id
from ..conf.settings import conf
from ..exceptions import ServerError
from ..models import Revocation
from ..process_state import reset_in_child
from . import enforcement

logger = logging.getLogger("instant")

#: Seconds between two looks at one revocation.
INTERVAL = 10
#: Users and channels that one change looks at before its caller goes on: the groups of a site may be large.
AT_ONCE = 100


def recheck(*, users: Iterable[Any] = (), channels: Iterable[str] = ()) -> None:
    """Look again at what these users may join, and at who is in the channels of these names, when the transaction
    commits and until the tokens given out before have expired. What is beyond AT_ONCE waits for the thread."""
    now = timezone.now()
    until = now + timedelta(seconds=conf.INSTANT_CHANNEL_TOKEN_TTL)
    times = {"next_at": now + timedelta(seconds=INTERVAL), "until": until}
    rows = [Revocation(user=user_id(user), **times) for user in users]
    rows += [Revocation(channel=name, **times) for name in channels]
    if rows:
        for row in rows[AT_ONCE:]:
            row.next_at = now
        Revocation.objects.bulk_create(rows)
        transaction.on_commit(partial(_apply_all, rows[:AT_ONCE]), robust=True)
        transaction.on_commit(start_repeating, robust=True)


def repeat_due() -> bool:
    """Look at the revocations whose time has come, each in one process only; tell whether any are left."""
    now = timezone.now()
    claimed = []
    for row in Revocation.objects.filter(next_at__lte=now):
        later = now + timedelta(seconds=INTERVAL)
        if Revocation.objects.filter(pk=row.pk, next_at=row.next_at).update(next_at=later):
            claimed.append(row)
    undone = _apply_all(claimed)
    over = [row.pk for row in claimed if row.until <= now and (row.user, row.channel) not in undone]
    Revocation.objects.filter(pk__in=over).delete()
    left: bool = Revocation.objects.exists()
    return left


def _apply_all(rows: Iterable[Revocation]) -> set[tuple[str, str]]:
    """Look at each user and channel once; return those for which the server was not to be had."""
    undone = set()
    for user, channel in dict.fromkeys((row.user, row.channel) for row in rows):
        try:
            if channel:
                enforcement.apply_to_channel(channel)
            else:
                enforcement.apply_to_user(user)
        except ServerError as error:
            undone.add((user, channel))
            logger.warning("revocation of %s not done yet, tried again: %s", channel or f"user {user}", error)
    return undone


class _Repeater:
    """The one thread of this process that repeats; it ends when nothing is left, and starts anew in a forked child."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = False
        self.asked_at = float("-inf")

    def start(self) -> None:
        with self.lock:
            if not self.running:
                self.running = True
                threading.Thread(target=self._run, name="instant-revocations", daemon=True).start()

    def _run(self) -> None:
        left = True
        try:
            while left:
                time.sleep(INTERVAL)
                close_old_connections()
                left = repeat_due()
        except Exception:
            logger.exception("repeating revocations stopped; the next request for tokens starts it again")
        finally:
            self.running = False
            connections.close_all()


_repeater = _Repeater()


def _after_fork() -> None:
    global _repeater  # noqa: PLW0603
    _repeater = _Repeater()


reset_in_child(_after_fork)


def start_repeating() -> None:
    """Start the thread that repeats revocations, unless this process has one."""
    _repeater.start()


def resume() -> None:
    """Go on with what a process that has ended left to repeat; costs one query each INTERVAL at the most."""
    now = time.monotonic()
    if now - _repeater.asked_at >= INTERVAL:
        _repeater.asked_at = now
        if not _repeater.running and Revocation.objects.exists():
            start_repeating()
