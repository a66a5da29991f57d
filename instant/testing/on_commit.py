"""On-commit work in tests, whose own transaction never commits."""

from __future__ import annotations

import logging
from typing import Any

from django.db import connections

from ..transaction_internals import registered, savepoints

logger = logging.getLogger("instant")


class CommitsInTest:
    """The on-commit work registered since this was made, on all databases.

    A TestCase (and `pytest.mark.django_db`) is a transaction that never commits. Its own work is run by us; that of
    an inner `atomic` only once it has ended, and never if it was rolled back, for Django drops it then.
    """

    def __init__(self) -> None:
        self._databases = [_Database(connection) for connection in connections.all(initialized_only=True)]

    def run(self) -> None:
        """Run that work, and what it registers in turn."""
        for database in self._databases:
            database.run()


class _Database:
    def __init__(self, connection: Any) -> None:
        self.connection = connection
        self.in_test = connection.in_atomic_block
        self.depth = len(savepoints(connection))
        # Each registration has a set of savepoints of its own, the one part that Django keeps when one is rolled back.
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
                logger.exception("on-commit work failed")

    def _next(self) -> int | None:
        for index, (sids, *_) in enumerate(registered(self.connection)):
            if not any(sids is other for other in self.before):
                return index
        return None
