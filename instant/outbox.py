"""The outbox, behind the commit: what waits in it, and the relay, for where no consumer of the server's own reads it.

A relay delivers at least once: one that dies between the server's answer and its own commit has sent rows that the next
one sends again, under the same idempotency keys.
"""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import Error, connections, transaction
from django.db.models import Count, Min, Q, QuerySet
from django.utils import timezone

from .centrifugo import http, outbox_config
from .conf.settings import conf
from .exceptions import ServerError
from .models import OutboxEntry, OutboxLease
from .protocol import MAX_BATCH_BYTES

logger = logging.getLogger("instant")

#: Rows of one request to the server.
LIMIT = 250
#: Seconds that one request may take, and for which a relay has the outbox to itself before it must ask again.
TIMEOUT, LEASE = 3.0, 6.0
#: Seconds of an outage before it is told.
UNTOLD = 3.0
#: Seconds that a row may wait before `check` and `instantstatus` report it as late.
LATE = 60.0
#: Seconds between two looks at an empty outbox, and the longest wait while the server is away.
INTERVAL, LONGEST_PAUSE = 0.2, 5.0
#: Seconds between two looks for rows of partitions that the settings do not have any more.
LOOK = 10.0
#: The partition of rows that the server refused for good; nobody reads it.
SET_ASIDE = -1


class Backlog(NamedTuple):
    """What waits: `rows` in all, the `oldest` for so many seconds, `unread` of them where nobody will read them."""

    rows: int
    oldest: float
    unread: int


def backlog() -> Backlog:
    """Count the rows of the outbox."""
    stray = Q(partition__lt=0)
    if outbox_config.is_used():
        stray |= Q(partition__gte=conf.outbox_partitions)
    found = _entries().aggregate(rows=Count("pk"), since=Min("created_at"), unread=Count("pk", filter=stray))
    age = (timezone.now() - found["since"]).total_seconds() if found["since"] else 0.0
    return Backlog(found["rows"], max(age, 0.0), found["unread"])


def _entries() -> QuerySet[OutboxEntry]:
    entries: QuerySet[OutboxEntry] = OutboxEntry.objects.using(outbox_config.database())
    return entries


class Relay:
    """Takes rows to the server, oldest first. Of several relays one at a time has a partition."""

    def __init__(self) -> None:
        self._owner = uuid.uuid4().hex
        #: Failures since the last success, when the first one was, and whether that has been told.
        self._outage, self._away_since, self._told = 0, 0.0, False
        self.stop = threading.Event()
        #: The partitions of former settings, and when they are looked for again.
        self._others: list[int] = []
        self._look_at = 0.0

    def run(self, interval: float = INTERVAL) -> None:
        """Deliver until `stop` is set; while server or database are away, wait for them."""
        while not self.stop.is_set():
            try:
                pause = 0.0 if self.deliver() else interval
                self._came_back()
            except (ServerError, Error) as error:
                pause = self._went_away(error)
            self.stop.wait(pause)
        self.release()

    def deliver(self) -> int:
        """Send the oldest rows, as many as one request takes, and delete them; return how many are done.

        What the server refuses for good is done, too: it is logged, and kept in the partition SET_ASIDE.

        Raises:
            ServerError: the server does not take them now; they stay.
        """
        waiting = _entries().filter(partition__gte=0)
        if not waiting.exists():
            return 0
        with self._claim(waiting) as rows:
            batch = _one_request(rows.order_by("pk")[:LIMIT])
            if not batch:
                return 0
            errors = _sent(batch)
            self._settle(batch, errors)
        again = [error for error in errors if error and error.retryable]
        if again:
            raise again[0]
        return len(batch)

    def release(self) -> None:
        """Let another relay go on at once."""
        try:
            self._leases().filter(owner=self._owner).update(until=timezone.now())
        except Error:
            logger.debug("the lease of the outbox was not given back, and will run out", exc_info=True)

    @contextmanager
    def _claim(self, waiting: QuerySet[OutboxEntry]) -> Iterator[QuerySet[OutboxEntry]]:
        """Give those rows that no other relay delivers now; on PostgreSQL none that the server's consumer does."""
        if connections[waiting.db].vendor != "postgresql":
            yield waiting if self._lease() else waiting.none()
            return
        with transaction.atomic(using=waiting.db):
            partitions = [*range(conf.outbox_partitions), *self._of_former_settings(waiting)]
            yield waiting.filter(partition__in=[number for number in partitions if _lock(waiting.db, number)])

    def _of_former_settings(self, waiting: QuerySet[OutboxEntry]) -> list[int]:
        """Return partitions that rows were written to when there were more of them. The whole backlog is read for that,
        so not each time."""
        if time.monotonic() >= self._look_at:
            others = waiting.order_by().filter(partition__gte=conf.outbox_partitions)
            self._others = list(others.values_list("partition", flat=True).distinct())
            self._look_at = time.monotonic() + LOOK
        return self._others

    def _lease(self) -> bool:
        now = timezone.now()
        values = {"owner": self._owner, "until": now + timedelta(seconds=LEASE)}
        if self._leases().filter(Q(owner=self._owner) | Q(until__lte=now), pk=1).update(**values):
            return True
        _, created = self._leases().get_or_create(pk=1, defaults=values)
        return created

    @staticmethod
    def _leases() -> QuerySet[OutboxLease]:
        leases: QuerySet[OutboxLease] = OutboxLease.objects.using(outbox_config.database())
        return leases

    @staticmethod
    def _settle(batch: Sequence[OutboxEntry], errors: Sequence[ServerError | None]) -> None:
        refused = [(row, error) for row, error in zip(batch, errors, strict=True) if error and not error.retryable]
        done = [row.pk for row, error in zip(batch, errors, strict=True) if error is None]
        _entries().filter(pk__in=done).delete()
        for row, error in refused:
            logger.error("row %s of the outbox is set aside: %s", row.pk, error)
            if row.method not in OutboxEntry.METHODS:  # the constraint refuses to update it as it is
                kept = json.dumps({"refused": {"method": row.method, "payload": row.payload}})
                _entries().filter(pk=row.pk).update(method="publish", payload=kept)
        _entries().filter(pk__in=[row.pk for row, _ in refused]).update(partition=SET_ASIDE)

    def _went_away(self, error: Exception) -> float:
        """Wait, longer each time; the devserver starts beside its relay, so that a short outage is not told."""
        self._outage += 1
        now = time.monotonic()
        self._away_since = self._away_since or now
        if not self._told and now - self._away_since >= UNTOLD:
            self._told = True
            logger.warning("the outbox waits: %s", error)
        connections[outbox_config.database()].close()
        return min(0.1 * 2.0**self._outage, LONGEST_PAUSE)

    def _came_back(self) -> None:
        if self._told:
            logger.warning("the outbox is delivered again")
        self._outage, self._away_since, self._told = 0, 0.0, False


@contextmanager
def relaying() -> Iterator[None]:
    """Run a relay in a thread of its own while the block runs."""
    relay = Relay()

    def work() -> None:
        try:
            relay.run()
        finally:
            connections.close_all()

    thread = threading.Thread(target=work, name="instant-outbox", daemon=True)
    thread.start()
    try:
        yield
    finally:
        relay.stop.set()
        thread.join(TIMEOUT)


def _lock(using: str, partition: int) -> bool:
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [outbox_config.lock_name(partition)])
        return bool(cursor.fetchone()[0])


def _one_request(rows: Sequence[OutboxEntry] | QuerySet[OutboxEntry]) -> list[OutboxEntry]:
    """The rows that fit into one request: a second one must not leave before the first has been answered."""
    batch: list[OutboxEntry] = []
    size = 0
    for row in rows:
        size += len(row.payload.encode()) + 32
        if batch and size > MAX_BATCH_BYTES:
            break
        batch.append(row)
    return batch


def _sent(batch: Sequence[OutboxEntry]) -> list[ServerError | None]:
    """Send the rows as one request, and return the error of each. Rows that do not publish are not sent.

    Raises:
        ServerError: none was taken.
    """
    faults = [_fault_of(row) for row in batch]
    good = [row for row, fault in zip(batch, faults, strict=True) if fault is None]
    errors = iter(_answered(good) if good else ())
    return [fault or next(errors) for fault in faults]


def _fault_of(row: OutboxEntry) -> ServerError | None:
    """Other programs may write rows. Not every database checks the method, or that the payload is one JSON object."""
    if row.method not in OutboxEntry.METHODS:
        return ServerError(f"its method is {row.method!r}; the outbox takes publish and broadcast only")
    try:
        if isinstance(json.loads(row.payload, parse_constant=_no_number), dict):
            return None
    except (ValueError, RecursionError):
        pass
    return ServerError("its payload is no JSON object")


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _answered(batch: Sequence[OutboxEntry]) -> list[ServerError | None]:
    commands = ",".join(f'{{"{row.method}":{row.payload}}}' for row in batch)
    replies: list[dict[str, Any]] = http.post("batch", f'{{"commands":[{commands}]}}'.encode(), TIMEOUT)["replies"]
    if len(replies) != len(batch):
        raise ServerError(f"the server answered {len(replies)} of {len(batch)} commands", retryable=True)
    return [http.api_error(reply["error"]) if "error" in reply else None for reply in replies]
