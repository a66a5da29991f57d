"""Deliver the outbox by a relay, where Centrifugo does not read the table itself, and count the waiting rows.

A relay delivers at least once. If it is killed between the server's reply and its own commit, the next relay sends the
same rows again, with the same idempotency keys.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, NamedTuple

from django.db import Error, connections, transaction
from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from .centrifugo import http, outbox_config
from .conf.settings import conf
from .exceptions import ServerError
from .models import OutboxEntry, OutboxLease
from .protocol import MAX_BATCH_BYTES

logger = logging.getLogger("instant")

#: The most rows in one request to the server.
LIMIT = 250
#: Seconds: the timeout of one request, and the duration of a lease, which a relay renews before each request.
TIMEOUT, LEASE = 3.0, 6.0
#: Seconds that an outage lasts before it is logged.
REPORT_AFTER = 3.0
#: Seconds that a row may wait before `check` and `instantstatus` report it as late.
LATE = 60.0
#: Seconds between two queries of an empty outbox, and the longest wait between retries.
INTERVAL, LONGEST_PAUSE = 0.2, 5.0
#: Seconds between two searches for rows in partitions that the settings no longer have.
SEARCH_INTERVAL = 10.0
#: The partition of rows that the server refused permanently. Nothing delivers it.
SET_ASIDE = -1


class Backlog(NamedTuple):
    """The size of the outbox: all `rows`, the age of the `oldest` in seconds, and the `unread` rows that nothing
    delivers.
    """

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
    """Delivers rows to the server, oldest first. Only one relay at a time delivers a partition, and on databases other
    than PostgreSQL the whole outbox.
    """

    def __init__(self) -> None:
        self._owner = uuid.uuid4().hex
        #: Consecutive failures, the time of the first one, and whether the outage was logged.
        self._outage, self._down_since, self._reported = 0, 0.0, False
        #: A signal handler may interrupt `run` at any line. It must not set an Event: if `run` holds the lock of that
        #: Event, `set` waits for it forever. The methods of a SimpleQueue are reentrant.
        self._is_stopped, self._wake = False, queue.SimpleQueue[None]()
        #: Partitions of waiting rows that INSTANT_OUTBOX_PARTITIONS no longer includes, and the time of the next search
        #: for them.
        self._former: list[int] = []
        self._search_at = 0.0

    def run(self, interval: float = INTERVAL) -> None:
        """Deliver until `stop` is called. Retry while the server or the database is unreachable.

        `interval` is the number of seconds between two queries of an empty outbox.
        """
        while not self._is_stopped:
            try:
                pause = 0.0 if self.deliver() else interval
                self._recovered()
            except (ServerError, Error) as error:
                pause = self._failed(error)
            with suppress(queue.Empty):
                self._wake.get(timeout=pause)
        self.release()

    def stop(self) -> None:
        """End `run` after its current request. Threads and signal handlers may call this."""
        self._is_stopped = True
        self._wake.put(None)

    def deliver(self) -> int:
        """Send the oldest rows in one request, delete them, and return their number.

        Rows that the server refuses permanently are logged, and moved to the partition SET_ASIDE. They count, too. 0
        means that no rows wait, or that another relay delivers them.

        Raises:
            ServerError: the server did not accept some rows; retry later. They stay in the outbox.
        """
        waiting = _entries().filter(partition__gte=0)
        if not waiting.exists():
            return 0
        with self._claim(waiting) as rows:
            batch = _one_request(rows.order_by("pk")[:LIMIT])
            if not batch:
                return 0
            errors = _sent(batch)
            self._complete(batch, errors)
        again = [error for error in errors if error and error.retryable]
        if again:
            raise again[0]
        return len(batch)

    def release(self) -> None:
        """Release the lease, so that another relay can continue immediately."""
        try:
            self._leases().filter(owner=self._owner).update(until=Now())
        except Error:
            logger.debug("The lease of the outbox was not released. It will expire.", exc_info=True)

    @contextmanager
    def _claim(self, waiting: QuerySet[OutboxEntry]) -> Iterator[QuerySet[OutboxEntry]]:
        """Yield the rows that this relay may deliver now.

        Other rows are being delivered by another relay or, on PostgreSQL, by the server's consumer.
        """
        if connections[waiting.db].vendor != "postgresql":
            yield waiting if self._lease() else waiting.none()
            return
        with transaction.atomic(using=waiting.db):
            partitions = [*range(conf.outbox_partitions), *self._former_partitions(waiting)]
            yield waiting.filter(partition__in=[number for number in partitions if _lock(waiting.db, number)])

    def _former_partitions(self, waiting: QuerySet[OutboxEntry]) -> list[int]:
        """Return the partitions of waiting rows that the settings no longer have.

        The search reads all waiting rows, so it runs only every SEARCH_INTERVAL seconds.
        """
        if time.monotonic() >= self._search_at:
            others = waiting.order_by().filter(partition__gte=conf.outbox_partitions)
            self._former = list(others.values_list("partition", flat=True).distinct())
            self._search_at = time.monotonic() + SEARCH_INTERVAL
        return self._former

    def _lease(self) -> bool:
        # Use the clock of the database, because the clocks of two relays may differ by more than LEASE.
        values = {"owner": self._owner, "until": Now() + timedelta(seconds=LEASE)}
        if self._leases().filter(Q(owner=self._owner) | Q(until__lte=Now()), pk=1).update(**values):
            return True
        _, created = self._leases().get_or_create(pk=1, defaults=values)
        return created

    @staticmethod
    def _leases() -> QuerySet[OutboxLease]:
        leases: QuerySet[OutboxLease] = OutboxLease.objects.using(outbox_config.database())
        return leases

    @staticmethod
    def _complete(batch: Sequence[OutboxEntry], errors: Sequence[ServerError | None]) -> None:
        refused = [(row, error) for row, error in zip(batch, errors, strict=True) if error and not error.retryable]
        done = [row.pk for row, error in zip(batch, errors, strict=True) if error is None]
        _entries().filter(pk__in=done).delete()
        for row, error in refused:
            logger.error("Row %s of the outbox was moved to partition -1: %s", row.pk, error)
            if row.method not in OutboxEntry.METHODS:  # the constraint forbids updating the row as it is
                kept = json.dumps({"refused": {"method": row.method, "payload": row.payload}})
                _entries().filter(pk=row.pk).update(method="publish", payload=kept)
        _entries().filter(pk__in=[row.pk for row, _ in refused]).update(partition=SET_ASIDE)

    def _failed(self, error: Exception) -> float:
        """Return the seconds to wait, which grow with each failure. An outage is logged only if it lasts REPORT_AFTER
        seconds, because `runws` starts the relay before the server listens.
        """
        self._outage += 1
        now = time.monotonic()
        self._down_since = self._down_since or now
        if not self._reported and now - self._down_since >= REPORT_AFTER:
            self._reported = True
            logger.warning("The outbox is not delivered: %s. It is retried.", error)
        connections[outbox_config.database()].close()
        return min(0.1 * 2.0**self._outage, LONGEST_PAUSE)

    def _recovered(self) -> None:
        if self._reported:
            logger.warning("The outbox is delivered again.")
        self._outage, self._down_since, self._reported = 0, 0.0, False


@contextmanager
def relaying() -> Iterator[None]:
    """Run a relay in a separate thread while the block runs."""
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
        relay.stop()
        thread.join(TIMEOUT)


def _lock(using: str, partition: int) -> bool:
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [outbox_config.lock_name(partition)])
        return bool(cursor.fetchone()[0])


def _one_request(rows: Sequence[OutboxEntry] | QuerySet[OutboxEntry]) -> list[OutboxEntry]:
    """Return the rows that fit into one request. To keep the order, the next request must wait for the response."""
    batch: list[OutboxEntry] = []
    size = 0
    for row in rows:
        size += len(row.payload.encode()) + 32
        if batch and size > MAX_BATCH_BYTES:
            break
        batch.append(row)
    return batch


def _sent(batch: Sequence[OutboxEntry]) -> list[ServerError | None]:
    """Send the rows in one request, and return the error of each. Malformed rows are not sent.

    Raises:
        ServerError: the whole request failed.
    """
    faults = [_fault_of(row) for row in batch]
    good = [row for row, fault in zip(batch, faults, strict=True) if fault is None]
    errors = iter(_answered(good) if good else ())
    return [fault or next(errors) for fault in faults]


def _fault_of(row: OutboxEntry) -> ServerError | None:
    """Return the error of a malformed row. Other programs may write rows, and not every database checks them."""
    if row.method not in OutboxEntry.METHODS:
        return ServerError(f"its method is {row.method!r}; the outbox accepts only publish and broadcast")
    try:
        if isinstance(json.loads(row.payload, parse_constant=_refuse_constant), dict):
            return None
    except (ValueError, RecursionError):
        pass
    return ServerError("its payload is not a JSON object")


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _answered(batch: Sequence[OutboxEntry]) -> list[ServerError | None]:
    commands = ",".join(f'{{"{row.method}":{row.payload}}}' for row in batch)
    replies: list[dict[str, Any]] = http.post("batch", f'{{"commands":[{commands}]}}'.encode(), TIMEOUT)["replies"]
    if len(replies) != len(batch):
        raise ServerError(f"the server answered {len(replies)} of {len(batch)} commands", retryable=True)
    return [http.api_error(reply["error"]) if "error" in reply else None for reply in replies]
