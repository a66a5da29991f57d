"""The thread that enforces revocations repeatedly, until older tokens have expired.

Each time, the current rights decide: users who got a permission back stay in the channel.
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

#: Seconds between two enforcements of a revocation, and from the first to the second. The second follows soon, because
#: clients may have been joining during the first.
INTERVAL, SECOND_CHECK = 10, 1
#: Seconds by which a period is longer than the last token, because clocks differ. The last enforcement follows within a
#: second. docs/security.md promises at most 5 seconds after the token has expired.
MARGIN = 4


def start_period(rows: Sequence[Revocation], next_in: float) -> None:
    """Start the period of these rows now.

    They are enforced again in `next_in` seconds, and until older tokens have expired. The period of a session is as
    long as connection tokens are valid, the period of other rows as long as channel tokens. Tokens of strict channels
    are few and short, so those channels are checked every second.

    A period that has begun starts again, because another transaction may have saved the same change and committed
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
    """Enforce the revocations of this tenant that are due, each in one process only.

    Return the seconds until the next one is due, or None if none are left.
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
    """Claim these rows, and return those that no other process has claimed."""
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
                # Another process has claimed some of them. It does no harm if two processes enforce the same row.
                claimed += Revocation.objects.filter(pk__in=[row.pk for row in part], next_at=next_at)
    return claimed


def _next_time(row: Revocation, now: datetime) -> datetime:
    """Return when to enforce this row again: after the interval, or as soon as older tokens have expired."""
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
        self.running = False
        #: The tenants whose revocations this process repeats; "" on a site without tenants.
        self.tenants: set[str] = set()
        self.asked_at: dict[str, float] = {}

    def start(self, tenant: str) -> None:
        """Start the thread, or wake the running one."""
        with self.lock:
            self.tenants.add(tenant)
            self.wake.set()
            if not self.running:
                self.running = True
                threading.Thread(target=self._run, name="instant-revocations", daemon=True).start()

    def _run(self) -> None:
        while True:
            # start() is called after a row was saved, so the next query finds the row.
            self.wake.clear()
            with self.lock:
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


@cache
def _warn_about_threads() -> None:
    logger.warning(
        "uWSGI runs no threads in this process, so revocations are repeated only when a client requests tokens. "
        "Start uWSGI with --enable-threads."
    )


def resume() -> None:
    """Continue the revocations of a process that has ended. This makes at most one query per INTERVAL seconds."""
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
