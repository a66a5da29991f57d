"""Savepoints around code that may fail while transactions of the caller are open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from django.db import connections, transaction


@contextmanager
def in_savepoints() -> Iterator[None]:
    """Run the block in a savepoint of each open transaction.

    Otherwise a query that fails in the block would break these transactions and lose what the caller has written.
    """
    with ExitStack() as savepoints:
        for connection in connections.all(initialized_only=True):
            if connection.in_atomic_block:
                savepoints.enter_context(transaction.atomic(using=connection.alias))
        yield
