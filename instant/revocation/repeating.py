"""The thread that enforces revocations repeatedly, until older tokens have expired.

Each time, access is checked again. So users who got a permission back in the meantime stay in the channel.

The period of a revocation is the time in which it is enforced repeatedly. It begins after the first enforcement, and
ends when all tokens have expired that were issued before.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.db import connections, router, transaction
from django.db.models import QuerySet
from django.utils import timezone

from ..access.tokens import STRICT_TTL
from ..centrifugo import offline
from ..channels import tenants
from ..channels.namespaces import is_strict
from ..chunks import QUERY_SIZE, chunks
from ..conf.settings import conf
from ..exceptions import Deny, ServerError
from ..models import Revocation
from ..process_state import PerProcess, is_about_to_fork, runs_threads
from . import enforcement

logger = logging.getLogger("instant")

#: Seconds between two enforcements of a revocation. The second enforcement follows after only SECOND_CHECK seconds,
#: because clients may have joined during the first one.
INTERVAL, SECOND_CHECK = 10, 1
#: Seconds from the expiry of the last token to the end of the period, because clocks differ. The last enforcement
#: follows within a second. docs/security.md promises at most 5 seconds after the token has expired.
MARGIN = 4


def start_period(rows: Sequence[Revocation], next_in: float) -> None:
    """Start the period of these rows now.

    The rows are enforced again in `next_in` seconds, and then repeatedly. The period of a session depends on
    INSTANT_TOKEN_TTL, and the period of other rows on INSTANT_CHANNEL_TOKEN_TTL. The tokens of strict channels are
    valid for only 15 seconds, so the periods of these channels are short, and they are checked every second.

    If a period has already begun, it begins again. Another transaction may have saved the same change and committed it
    later.
    """
    now = timezone.now()
    by_ttl: dict[int, list[Any]] = {}
    for row in rows:
        by_ttl.setdefault(_longest_ttl(row), []).append(row.pk)
    for ttl, pks in by_ttl.items():
        until = now + timedelta(seconds=ttl + MARGIN)
        for part in chunks(pks, QUERY_SIZE):
            rows_of_part = Revocation.objects.filter(pk__in=part)
            rows_of_part.update(until=until, next_at=now + timedelta(seconds=next_in))


def _longest_ttl(row: Revocation) -> int:
    """Return for how many seconds a token that was issued before the revocation can be used."""
    if row.session:
        return conf.INSTANT_TOKEN_TTL
    of_channels = conf.INSTANT_CHANNEL_TOKEN_TTL
    return min(of_channels, STRICT_TTL) if _is_strict(row) else of_channels


def _is_strict(row: Revocation) -> bool:
    return bool(row.channel) and is_strict(row.channel)


def repeat_due() -> float | None:
    """Enforce the revocations of this tenant that are due, except those that another process has claimed.

    Return the seconds until the next revocation is due, or None if there are no more revocations.
    """
    now = timezone.now()
    claimed = _claimed(_due(now))
    first = [row for row in claimed if row.until is None]
    later = [row for row in claimed if row.until is not None]
    if _apply(first, is_first=True):
        start_period(first, SECOND_CHECK)
    if _apply(later, is_first=False):
        over = [row.pk for row in later if row.until is not None and row.until <= now]
        for part in chunks(over, QUERY_SIZE):
            Revocation.objects.filter(pk__in=part).delete()
    next_at = _of_tenant().order_by("next_at").values_list("next_at", flat=True).first()
    return None if next_at is None else max((next_at - timezone.now()).total_seconds(), 0.01)


def _of_tenant() -> QuerySet[Revocation]:
    rows: QuerySet[Revocation] = Revocation.objects.filter(tenant=conf.tenant)
    return rows


def _due(now: datetime) -> list[Revocation]:
    """Return the rows that are due, except those that an open transaction is writing.

    Such a transaction may stay open for a long time. It enforces its rows when it commits.
    """
    database = router.db_for_write(Revocation)
    skip_locked = connections[database].features.has_select_for_update_skip_locked
    with transaction.atomic(database):
        rows = _of_tenant().using(database).filter(next_at__lte=now)
        return list(rows.select_for_update(skip_locked=skip_locked))


def _claimed(rows: Sequence[Revocation]) -> list[Revocation]:
    """Claim these rows, and return those that this process enforces now."""
    claimed: list[Revocation] = []
    now = timezone.now()
    groups: dict[datetime, list[Revocation]] = {}
    for row in rows:
        groups.setdefault(_next_time(row, now), []).append(row)
    for next_at, group in groups.items():
        for part in chunks(group, QUERY_SIZE):
            latest = max(row.next_at for row in part)
            due = Revocation.objects.filter(pk__in=[row.pk for row in part], next_at__lte=latest)
            if due.update(next_at=next_at) == len(part):
                claimed += part
            else:
                # Another process has claimed some of the rows, possibly for the same time. Then both processes enforce
                # these rows, which does no harm.
                claimed += Revocation.objects.filter(pk__in=[row.pk for row in part], next_at=next_at)
    return claimed


def _next_time(row: Revocation, now: datetime) -> datetime:
    """Return when to enforce this row again: after the interval, or as soon as the period ends.

    For a session, it is also enforced when the channel tokens have expired that were issued before.
    """
    times = [now + timedelta(seconds=SECOND_CHECK if _is_strict(row) else INTERVAL)]
    if row.until is not None:
        times.append(row.until)
        if row.session:
            times.append(row.until - timedelta(seconds=conf.INSTANT_TOKEN_TTL - conf.INSTANT_CHANNEL_TOKEN_TTL))
    return min(at for at in times if at > now)


def _apply(rows: Sequence[Revocation], *, is_first: bool) -> bool:
    if not rows:
        return False
    try:
        return enforcement.apply(rows, is_first=is_first, rule_budget=None)
    except ServerError as error:
        names = ", ".join(sorted({str(row) for row in rows})[:3])
        logger.warning("the revocation of %s could not be enforced yet, and will be retried: %s", names, error)
        return False


class _Repeater:
    """The thread of this process that repeats revocations. It ends when no revocations are left."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wake = threading.Event()
        self.running = self.ending = False
        self.thread: threading.Thread | None = None
        #: The tenants whose revocations this process repeats; "" on a site without tenants.
        self.tenants: set[str] = set()
        self.asked_at: dict[str, float] = {}

    def start(self, tenant: str) -> None:
        """Start the thread, or wake the running one."""
        with self.lock:
            self.tenants.add(tenant)
            self.ending = False
            self.wake.set()
            if not self.running:
                self.running = True
                self.thread = threading.Thread(target=self._run, name="instant-revocations", daemon=True)
                self.thread.start()

    def end(self, timeout: float) -> None:
        """End the thread, even if revocations are left, and wait up to `timeout` seconds until it has ended."""
        with self.lock:
            thread = self.thread if self.running else None
            self.ending = True
            self.wake.set()
        if thread is not None:
            thread.join(timeout)

    def _run(self) -> None:
        while True:
            # start() is called after a row was saved, so the next query finds the row.
            self.wake.clear()
            with self.lock:
                if self.ending:
                    self.running = False
                    return
                known = sorted(self.tenants)
            try:
                waits = [self._repeat(tenant) for tenant in known]
            finally:
                connections.close_all()  # keep no connection while the thread waits
            if any(wait is not None for wait in waits):
                self.wake.wait(min(INTERVAL, *(wait for wait in waits if wait is not None)))
                continue
            with self.lock:
                if not self.wake.is_set():
                    self.running = False
                    return

    def _repeat(self, tenant: str) -> float | None:
        """Enforce the revocations of one tenant that are due."""
        try:
            with tenants.entered(tenant):
                return repeat_due()
        except Deny:  # the reason is in the log
            self.tenants.discard(tenant)
            return None
        except Exception:
            logger.exception("revocations could not be repeated, and will be retried")
            return INTERVAL


_repeater = PerProcess(_Repeater)


def start() -> None:
    """Start the thread that repeats revocations, unless it runs in this process already."""
    if offline.is_silent() or offline.is_test():
        return
    if runs_threads():
        _repeater().start(conf.tenant)
    elif not is_about_to_fork():
        _warn_about_threads()


def end(timeout: float) -> None:
    """End the thread of this process, and wait up to `timeout` seconds until its database connection is closed.

    This is for tests. The next revocation starts the thread again.
    """
    _repeater().end(timeout)


@cache
def _warn_about_threads() -> None:
    logger.warning(
        "uWSGI runs no threads in this process, so revocations are repeated only when a client requests tokens. "
        "Start uWSGI with --enable-threads."
    )


def resume() -> None:
    """Start the thread if there are revocations, for example those of a process that has ended.

    For each tenant, this is checked once in INTERVAL seconds, with one query. If this process runs no threads, the
    revocations that are due are enforced now.
    """
    if offline.is_silent() or offline.is_test():
        return
    now, tenant, repeater = time.monotonic(), conf.tenant, _repeater()
    if now - repeater.asked_at.get(tenant, float("-inf")) >= INTERVAL:
        repeater.asked_at[tenant] = now
        if not runs_threads():
            repeat_due()  # during the client's request, because there is no thread
            return
        is_repeated = repeater.running and tenant in repeater.tenants
        if not is_repeated and _of_tenant().exists():
            start()
