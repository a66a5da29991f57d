"""When events leave: with the commit, in it with the outbox, at once where there is no transaction."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import Error, connections, router, transaction

from ..backends import get_backend
from ..commits import gather
from ..conf import conf
from .changes import Change
from .delivery import Failure, attempt, deliver, report


def submit(changes: Sequence[Change], using: str) -> None:
    """Have the events of these changes sent if, and when, the transaction that is open on `using` commits.

    With a transactional backend they are written into it now: Django has no moment between the last change and the
    commit. So each change is an event of its own there.
    """
    if not connections[using].in_atomic_block:
        deliver(changes)
    elif get_backend().transactional and _outbox_database() == using:
        _write(changes, using)
    else:
        gather(changes, deliver, using, robust=False)


def _outbox_database() -> str:
    from ..models import OutboxEntry

    return router.db_for_write(OutboxEntry)


def _write(changes: Sequence[Change], using: str) -> None:
    if not conf.INSTANT_EVENTS_FAIL_SILENTLY:
        deliver(changes)
        return
    try:
        with transaction.atomic(using):  # its savepoint keeps a failing INSERT from taking the caller's work with it
            failures = attempt(changes)
    except Error as error:
        failures = [Failure(change, None, error) for change in changes]
    report(failures)
