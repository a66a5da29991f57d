"""Run on-commit work in tests whose own transaction never commits."""

from __future__ import annotations

import logging
from typing import Any

from django.db import connections

from ..transaction_internals import registered, savepoints

logger = logging.getLogger("instant")


class CommitsInTest:
    """The on-commit work registered since this object was created, on all databases.

    A TestCase (and `pytest.mark.django_db`) is a transaction that never commits, so this class runs its on-commit work.
    Work of an inner `atomic` block runs only after the block has ended, and never if it was rolled back, because Django
    drops it then.
    """

    def __init__(self) -> None:
        self._databases = [_Database(connection) for connection in connections.all(initialized_only=True)]

    def run(self) -> None:
        """Run that work, and the work that it registers."""
        for database in self._databases:
            database.run()


class _Database:
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.in_test = connection.in_atomic_block
        self.depth = len(savepoints(connection))
        # Each registration has its own set object of savepoints, which Django keeps when a savepoint is rolled back.
        self.before = [entry[0] for entry in registered(connection)]

    def run(self) -> None:
        if not self.in_test or len(savepoints(self.connection)) > self.depth:
            return
        while (index := self._next()) is not None:
            _sids, work, robust = registered(self.connection).pop(index)
            try:
                work()
            except Exception:
                if not robust:
                    raise
                logger.exception("An on-commit function failed.")

    def _next(self) -> int | None:
        for index, (sids, *_) in enumerate(registered(self.connection)):
            if not any(sids is other for other in self.before):
                return index
        return None
