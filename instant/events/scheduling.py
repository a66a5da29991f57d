"""When events are sent: at the commit, in the transaction with the outbox, or at once without a transaction."""

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
    """Send the events of these changes if, and when, the transaction that is open on `using` commits.

    A transactional backend writes them into the transaction now, because Django has no hook between the last change and
    the commit. Therefore each change is an event of its own there.
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
    """Send without a savepoint. On SQLite a failing statement does not abort the transaction, and a savepoint would
    cost as much as the row. If the database has given up the transaction itself, it stays marked as broken.
    """
    was_over = connection.needs_rollback
    failures = attempt(changes)
    if connection.needs_rollback and connection.connection.in_transaction:
        connection.needs_rollback = was_over
    return failures


def _attempt_in_savepoint(changes: Sequence[Change], using: str) -> list[Failure]:
    try:
        with transaction.atomic(using):  # the savepoint keeps a failing INSERT from aborting the caller's transaction
            return attempt(changes)
    except Error as error:
        return [Failure(change, None, error) for change in changes]
