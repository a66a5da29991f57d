"""The thread that enforces revocations repeatedly, until older tokens have expired.

Each time, current rights decide: users who got a permission back stay in the channel.
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
from ..centrifugo import at_home
from ..channels import tenants
from ..channels.namespaces import is_strict
from ..chunks import QUERY_SIZE, chunks
from ..conf.settings import conf
from ..exceptions import Deny, ServerError
from ..models import Revocation
from ..process_state import PerProcess, is_about_to_fork, runs_threads
from . import enforcement

logger = logging.getLogger("instant")

#: Seconds between two enforcements of a revocation, and from the first to the second, because clients may have been
#: joining at the first.
INTERVAL, SECOND_LOOK = 10, 1
#: Seconds that a period lasts beyond the last token, because clocks differ. The last enforcement follows within a
#: second. docs/security.md promises at most 5 seconds after the token.
MARGIN = 4


def start_period(rows: Sequence[Revocation], next_in: float) -> None:
    """Start the period of these rows now. They are enforced again in `next_in` seconds, and until older tokens have
    expired. Periods of sessions last as long as connection tokens, others as long as channel tokens. Tokens of
    strict channels are few and short, so those channels are checked each second.

    A period that has begun starts again, because another transaction may have recorded the same change and committed
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
    """Return for how many seconds an older token for the subject of the row can be used."""
    if row.session:
        return conf.INSTANT_TOKEN_TTL
    of_channels = conf.INSTANT_CHANNEL_TOKEN_TTL
    return min(of_channels, STRICT_TTL) if _is_strict(row) else of_channels


def _is_strict(row: Revocation) -> bool:
    return bool(row.channel) and is_strict(row.channel)


def repeat_due() -> float | None:
    """Enforce the revocations of this tenant that are due, each in one process only. Return the seconds until the next
    one is due, or None if none are left.
    """
    now = timezone.now()
    claimed = _claimed(_due(now))
    first = [row for row in claimed if row.until is None]
    later = [row for row in claimed if row.until is not None]
    if _apply(first, is_first=True):
        start_period(first, SECOND_LOOK)
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

    Such a transaction may stay open for long, and enforces them when it commits.
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
        groups.setdefault(_next_look(row, now), []).append(row)
    for next_at, group in groups.items():
        for part in chunks(group, QUERY_SIZE):
            latest = max(row.next_at for row in part)
            due = Revocation.objects.filter(pk__in=[row.pk for row in part], next_at__lte=latest)
            if due.update(next_at=next_at) == len(part):
                claimed += part
            else:
                # Another process was faster with some of them. It does no harm if two processes enforce the same one.
                claimed += Revocation.objects.filter(pk__in=[row.pk for row in part], next_at=next_at)
    return claimed


def _next_look(row: Revocation, now: datetime) -> datetime:
    """Return when to enforce this row again: soon, and as soon as the last tokens have expired."""
    looks = [now + timedelta(seconds=SECOND_LOOK if _is_strict(row) else INTERVAL)]
    if row.until is not None:
        looks.append(row.until)
        if row.session:
            looks.append(row.until - timedelta(seconds=conf.INSTANT_TOKEN_TTL - conf.INSTANT_CHANNEL_TOKEN_TTL))
    return min(look for look in looks if look > now)


def _apply(rows: Sequence[Revocation], *, is_first: bool) -> bool:
    if not rows:
        return False
    try:
        return enforcement.apply(rows, is_first=is_first, rule_budget=None)
    except ServerError as error:
        names = ", ".join(sorted({str(row) for row in rows})[:3])
        logger.warning("revocation of %s not done yet, tried again: %s", names, error)
        return False


class _Repeater:
    """The thread of this process that repeats revocations. It ends when nothing is left."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.wake = threading.Event()
        self.running = False
        #: The tenants that this process knows; "" if there are none. Each has revocations of its own.
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
            # start() is called after a row was written, so the next query finds the row.
            self.wake.clear()
            with self.lock:
                known = sorted(self.tenants)
            try:
                waits = [self._repeat(tenant) for tenant in known]
            finally:
                connections.close_all()  # no connection is kept while it waits
            if any(wait is not None for wait in waits):
                self.wake.wait(min(INTERVAL, *(wait for wait in waits if wait is not None)))
                continue
            with self.lock:
                if not self.wake.is_set():
                    self.running = False
                    return

    def _repeat(self, tenant: str) -> float | None:
        """Enforce what is due for one tenant."""
        try:
            with tenants.entered(tenant):
                return repeat_due()
        except Deny:  # the log has the reason
            self.tenants.discard(tenant)
            return None
        except Exception:
            logger.exception("repeating revocations failed; it is tried again")
            return INTERVAL


_repeater = PerProcess(_Repeater)


def start() -> None:
    """Start the thread that repeats revocations, unless this process has one."""
    if at_home.is_silent() or at_home.is_test():
        return
    if runs_threads():
        _repeater().start(conf.tenant)
    elif not is_about_to_fork():
        _tell_of_threads()


@cache
def _tell_of_threads() -> None:
    logger.warning(
        "uWSGI runs no threads here: revocations are repeated only when somebody asks for tokens. "
        "Start it with --enable-threads."
    )


def resume() -> None:
    """Continue what a process that has ended left to repeat. This costs at most one query per INTERVAL."""
    if at_home.is_silent() or at_home.is_test():
        return
    now, tenant, repeater = time.monotonic(), conf.tenant, _repeater()
    if now - repeater.asked_at.get(tenant, float("-inf")) >= INTERVAL:
        repeater.asked_at[tenant] = now
        if not runs_threads():
            repeat_due()  # in somebody's request: there is nobody else
            return
        is_repeated = repeater.running and tenant in repeater.tenants
        if not is_repeated and _of_tenant().exists():
            start()
