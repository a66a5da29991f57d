"""On-commit work in tests, whose own transaction never commits."""

from __future__ import annotations

import logging

from django.db import transaction

from ..transaction_internals import registered, savepoints

logger = logging.getLogger("instant")


class CommitsInTest:
    """The on-commit work registered since this was made.

    A TestCase (and `pytest.mark.django_db`) is a transaction that never commits. Its own work is run by us; that of
    an inner `atomic` only once it has ended, and never if it was rolled back, for Django drops it then.
    """

    def __init__(self) -> None:
        self.connection = transaction.get_connection()
        self.in_test = self.connection.in_atomic_block
        self.depth = len(savepoints(self.connection))
        # Each registration has a set of savepoints of its own, the one part that Django keeps when one is rolled back.
        self.before = [entry[0] for entry in registered(self.connection)]

    def run(self) -> None:
        """Run that work, and what it registers in turn."""
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
