"""Messages published on commit are collected, and leave in one batch when the transaction commits.

Django keeps on-commit work with the savepoints in which it was registered, and drops it when one of them is rolled
back. So messages are collected in segments, each with its own savepoints. A released savepoint commits or rolls back
with its parent: then two segments become one. At the end there is one segment, and one more for each level of
savepoints that nothing came after.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any
from weakref import WeakKeyDictionary

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .transaction_internals import is_open, outermost_block, registered, savepoints

#: Sends all that was collected: messages, or changes of the database.
Send = Callable[[Sequence[Any]], object]


class _Segment:
    """The on-commit work of one place in a transaction."""

    def __init__(self, connection: Any, key: Hashable, send: Send, outermost: object) -> None:
        self.key, self.send, self.outermost = key, send, outermost
        #: A copy of the connection's list when it was made: the fast path compares it.
        self.savepoint_ids = list(savepoints(connection))
        self.savepoints = {sid for sid in self.savepoint_ids if sid is not None}
        self.messages: list[Any] = []
        self.earlier: _Segment | None = None
        #: Sent, or merged into a later segment. In tests, work that has run may stay registered, and run again.
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


def gather(
    messages: Sequence[Any], send: Send, key: Hashable, using: str | None = None, *, robust: bool = True
) -> bool:
    """Collect these messages, and call `send` with all that were collected under this key when the transaction commits.

    `send` must not raise, unless it is not `robust`: then its error comes out of the commit. Only messages with the
    same key are sent together. Where no transaction is open nothing is done, and False is returned.
    """
    connection: Any = transaction.get_connection(using)
    if not connection.in_atomic_block:
        return False
    gather_at(connection, messages, send, key, robust=robust)
    return True


def gather_at(connection: Any, messages: Sequence[Any], send: Send, key: Hashable, *, robust: bool = True) -> None:
    """Do what `gather` does, for a connection with an open transaction."""
    segment = _latest(connection, key) or _segment(connection, send, key, robust)
    segment.messages.extend(messages)


def _latest(connection: Any, key: Hashable) -> _Segment | None:
    """Return the segment of the message before, where no savepoint and no other on-commit work came in between.

    A fast path, for loops that publish: `_segment` would find the same.
    """
    work = registered(connection)
    segment = work[-1][1] if work else None
    if (
        isinstance(segment, _Segment)
        and segment.key == key
        and not segment.is_done
        and segment.savepoint_ids == savepoints(connection)
        and is_open(connection, segment.outermost)
    ):
        return segment
    return None


def _segment(connection: Any, send: Send, key: Hashable, robust: bool) -> _Segment:
    """Return the segment for what is published now: the last one, or a new one."""
    open_now = {sid for sid in savepoints(connection) if sid is not None}
    outermost = outermost_block(connection)
    segments = _alive(connection, _open.setdefault(connection, {}).setdefault(robust, []))
    if segments and (outermost is None or segments[-1].outermost is not outermost):
        segments.clear()
    _fold(segments, open_now)
    if not segments or segments[-1].key != key or segments[-1].savepoints & open_now != open_now:
        segment = _Segment(connection, key, send, outermost)
        connection.on_commit(segment, robust=robust)
        segments.append(segment)
    return segments[-1]


def _alive(connection: Any, segments: list[_Segment]) -> list[_Segment]:
    """Drop from the end what Django has dropped, with a savepoint or a transaction that is over."""
    work = registered(connection)
    while segments and (segments[-1].is_done or not any(entry[1] is segments[-1] for entry in reversed(work))):
        segments.pop()
    return segments


def _fold(segments: list[_Segment], open_now: set[str]) -> None:
    """Make one of the last two segments where they have the same open savepoints."""
    while len(segments) > 1 and segments[-1].key == segments[-2].key:
        last, before = segments[-1], segments[-2]
        if last.savepoints & open_now != before.savepoints & open_now:
            return
        last.fold(before)
        del segments[-2]
