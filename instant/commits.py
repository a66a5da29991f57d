"""What is published on commit gathers, and leaves in one batch when the transaction commits.

Django keeps on-commit work with the savepoints in which it was registered, and drops it when one of them is rolled
back. So messages gather in segments, each with its own savepoints. A savepoint that has ended well shares the fate of
what is around it: then two segments become one. At the end there is one, and one more for each level of savepoints that
nothing came after.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

logger = logging.getLogger("instant")

#: Takes all that gathered: messages, or changes of the database.
Send = Callable[[Sequence[Any]], object]


class _Segment:
    """The on-commit work of one place in a transaction; `parts` are lists of messages, in order."""

    def __init__(self, connection: Any, savepoints: set[str], send: Send, outermost: object) -> None:
        self.savepoints, self.send, self.outermost = savepoints, send, outermost
        #: The connection's list of then: who is where it began needs no look at the rest.
        self.savepoint_ids = list(connection.savepoint_ids)
        self.messages: list[Any] = []
        self.earlier: _Segment | None = None
        #: Sent, or in the hands of a later segment. In tests, work that has run may stay registered, and run again.
        self.is_done = False

    def __call__(self) -> None:
        if not self.is_done:
            self.is_done = True
            self.send(self.all_messages())

    def all_messages(self) -> list[Any]:
        """Its own messages behind those of the segments that were folded into it."""
        parts: list[list[Any]] = []
        segment: _Segment | None = self
        while segment is not None:  # no recursion: there may be thousands
            parts.append(segment.messages)
            segment = segment.earlier
        return [message for part in reversed(parts) for message in part]

    def fold(self, earlier: _Segment) -> None:
        """Take over the messages of the segment before this one, which then does nothing."""
        first = self
        while first.earlier is not None:
            first = first.earlier
        first.earlier, earlier.is_done = earlier, True


#: By whether they are robust: changes and messages in turn would keep each other from gathering.
_open: WeakKeyDictionary[BaseDatabaseWrapper, dict[bool, list[_Segment]]] = WeakKeyDictionary()


def gather(messages: Sequence[Any], send: Send, using: str | None = None, *, robust: bool = True) -> bool:
    """Have `send` called with these messages, and all others that gather, when the open transaction commits.

    `send` must not raise, unless it is not `robust`: then its error comes out of the commit. Only what has the same
    `send` gathers together. Where no transaction is open nothing is done, and that is returned: False.
    """
    connection: Any = transaction.get_connection(using)
    if not connection.in_atomic_block:
        return False
    gather_at(connection, messages, send, robust=robust)
    return True


def gather_at(connection: Any, messages: Sequence[Any], send: Send, *, robust: bool = True) -> None:
    """The same, for who has the connection at hand, and has seen that a transaction is open."""
    segment = _latest(connection, send) or _segment(connection, send, robust)
    segment.messages.extend(messages)


def _latest(connection: Any, send: Send) -> _Segment | None:
    """The segment of the message before, where no savepoint and no other work on commit came in between.

    What `_segment` finds then, but at once: a loop that publishes comes here.
    """
    registered = connection.run_on_commit
    segment = registered[-1][1] if registered else None
    if (
        isinstance(segment, _Segment)
        and segment.send is send
        and not segment.is_done
        and segment.savepoint_ids == connection.savepoint_ids
        and segment.outermost in connection.atomic_blocks
    ):
        return segment
    return None


def _segment(connection: Any, send: Send, robust: bool) -> _Segment:
    """The segment for what is published now: the last one, or a new one."""
    savepoints = {sid for sid in connection.savepoint_ids if sid is not None}
    outermost = _outermost(connection)
    segments = _alive(connection, _open.setdefault(connection, {}).setdefault(robust, []))
    if segments and (outermost is None or segments[-1].outermost is not outermost):
        segments.clear()
    _fold(segments, savepoints)
    if not segments or segments[-1].send is not send or segments[-1].savepoints & savepoints != savepoints:
        segment = _Segment(connection, savepoints, send, outermost)
        connection.on_commit(segment, robust=robust)
        segments.append(segment)
    return segments[-1]


def _outermost(connection: Any) -> object:
    """The block that commits; None in a test that has opened none, where each work on commit is looked at by itself."""
    return next((block for block in connection.atomic_blocks if not block._from_testcase), None)


def _alive(connection: Any, segments: list[_Segment]) -> list[_Segment]:
    """Drop from the end what Django has dropped, with a savepoint or a transaction that is over."""
    registered = connection.run_on_commit
    while segments and (segments[-1].is_done or not any(entry[1] is segments[-1] for entry in reversed(registered))):
        segments.pop()
    return segments


def _fold(segments: list[_Segment], savepoints: set[str]) -> None:
    """Make one of the last two segments where what is left of their savepoints is the same."""
    while len(segments) > 1 and segments[-1].send is segments[-2].send:
        last, before = segments[-1], segments[-2]
        if last.savepoints & savepoints != before.savepoints & savepoints:
            return
        last.fold(before)
        del segments[-2]


class CommitsInTest:
    """The on-commit work registered since this was made.

    A TestCase (and `pytest.mark.django_db`) is a transaction that never commits. Its own work is run by us; that of
    an inner `atomic` only once it has ended, and never if it was rolled back, for Django drops it then.
    """

    def __init__(self) -> None:
        self.connection = transaction.get_connection()
        self.in_test = self.connection.in_atomic_block
        self.depth = len(self.connection.savepoint_ids)
        # Each registration has a set of savepoints of its own, the one part that Django keeps when one is rolled back.
        self.before = [entry[0] for entry in self.connection.run_on_commit]

    def run(self) -> None:
        """Run that work, and what it registers in turn."""
        if not self.in_test or len(self.connection.savepoint_ids) > self.depth:
            return
        while (index := self._next()) is not None:
            _sids, work, robust = self.connection.run_on_commit.pop(index)
            try:
                work()
            except Exception:
                if not robust:
                    raise
                logger.exception("on-commit work failed")

    def _next(self) -> int | None:
        for index, (sids, *_) in enumerate(self.connection.run_on_commit):
            if not any(sids is other for other in self.before):
                return index
        return None
