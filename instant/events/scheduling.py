"""When events are sent: on commit, inside the transaction with the outbox, or at once without a transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import Error, connections, transaction

from ..backends import get_backend
from ..conf.settings import conf
from ..sending import collect
from .delivery import Failure, attempt, deliver, entries, report
from .pending_changes import Change


def submit(changes: Sequence[Change], using: str) -> None:
    """Send the events of these changes when the open transaction of `using` commits, or at once without a transaction.

    A transactional backend writes them in the transaction at once, because Django has no hook between the last change
    and the commit. Therefore it sends an event for each change.

    Raises:
        Exception: the first failure, if INSTANT_EVENTS_FAIL_SILENTLY is off. Otherwise failures are logged.
    """
    connection: Any = connections[using]
    if not connection.in_atomic_block:
        deliver(changes)
    elif get_backend().database() == using:
        _write(changes, connection)
    else:
        collect(connection, entries(changes))


def _write(changes: Sequence[Change], connection: Any) -> None:
    if not conf.INSTANT_EVENTS_FAIL_SILENTLY:
        deliver(changes)
    elif connection.vendor == "sqlite" and len(changes) == 1:
        report(_attempt_in_sqlite(changes, connection))
    else:
        report(_attempt_in_savepoint(changes, connection.alias))


def _attempt_in_sqlite(changes: Sequence[Change], connection: Any) -> list[Failure]:
    """Send without a savepoint, which would cost as much as the row.

    On SQLite a failing statement does not abort the transaction. If SQLite has rolled back the whole transaction, it
    stays marked as broken.
    """
    was_over = connection.needs_rollback
    failures = attempt(changes)
    if connection.needs_rollback and connection.connection.in_transaction:
        connection.needs_rollback = was_over
    return failures


def _attempt_in_savepoint(changes: Sequence[Change], using: str) -> list[Failure]:
    try:
        with transaction.atomic(using):  # it keeps a failing INSERT from aborting the caller's transaction
            return attempt(changes)
    except Error as error:
        return [Failure(change, None, error) for change in changes]
