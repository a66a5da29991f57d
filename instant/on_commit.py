"""Messages published on commit are collected, and leave in one batch when the transaction commits.

Django keeps on-commit work with the savepoints in which it was registered, and drops it when one of them is rolled
back. So messages are collected in segments, each with its own savepoints. A released savepoint commits or rolls back
with its parent: then two segments become one. At the end there is one segment, and one more for each level of
savepoints that nothing came after.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, ref

from django.db import DEFAULT_DB_ALIAS, connections, transaction
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
            self.send(self.taken())

    def taken(self) -> list[Any]:
        """Return its own messages behind those of the segments that were folded into it, and keep none of them."""
        parts: list[list[Any]] = []
        segment: _Segment | None = self
        while segment is not None:  # no recursion: there may be thousands
            parts.append(segment.messages)
            segment.messages, segment.earlier, segment = [], None, segment.earlier
        return [message for part in reversed(parts) for message in part]

    def fold(self, earlier: _Segment) -> None:
        """Take over the messages of the segment before this one, which then does nothing."""
        first = self
        while first.earlier is not None:
            first = first.earlier
        first.earlier, earlier.is_done = earlier, True


#: By their keys. Django alone keeps them, until the commit or the rollback: they would outlive it here.
_open: WeakKeyDictionary[BaseDatabaseWrapper, dict[Hashable, list[ref[_Segment]]]] = WeakKeyDictionary()


def awaited_connection(using: str | None, *, default: str = DEFAULT_DB_ALIAS, what: str = "on_commit=True") -> Any:
    """Return the connection whose commit is waited for: of the database `using`, or else `default`; None where no
    transaction is open there.

    Raises:
        TransactionManagementError: `using` is not given, and another database alone has an open transaction.
    """
    connection: Any = connections[using or default]
    if using is None and outermost_block(connection) is None:
        others = [each.alias for each in connections.all(initialized_only=True) if outermost_block(each) is not None]
        if others:
            raise transaction.TransactionManagementError(
                f"{what} waits for the transaction of the database {default!r}, which has none open, but "
                f"{others[0]!r} has: say using={others[0]!r} to wait for that one, or using={default!r} not to wait"
            )
    return connection if connection.in_atomic_block else None


def gather(
    messages: Sequence[Any], send: Send, key: Hashable, using: str | None = None, *, robust: bool = True
) -> bool:
    """Collect these messages, and call `send` with all that were collected under this key when the transaction commits.

    `send` must not raise, unless it is not `robust`: then its error comes out of the commit. Only messages with the
    same key are sent together, and order holds among them alone. Where no transaction is open nothing is done, and
    False is returned.
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
    by_key = _open.setdefault(connection, {})
    segments = _alive(connection, by_key.get(key, ()))
    if segments and (outermost is None or segments[-1].outermost is not outermost):
        segments.clear()
    _fold(segments, open_now)
    if not segments or segments[-1].savepoints & open_now != open_now:
        segment = _Segment(connection, key, send, outermost)
        connection.on_commit(segment, robust=robust)
        segments.append(segment)
    by_key[key] = list(map(ref, segments))
    return segments[-1]


def _alive(connection: Any, kept: Sequence[ref[_Segment]]) -> list[_Segment]:
    """Return the segments without those that Django has dropped, with a savepoint or a transaction that is over."""
    segments = [segment for each in kept if (segment := each()) is not None]
    work = registered(connection)
    while segments and (segments[-1].is_done or not any(entry[1] is segments[-1] for entry in reversed(work))):
        segments.pop()
    return segments


def _fold(segments: list[_Segment], open_now: set[str]) -> None:
    """Make one of the last two segments where they have the same open savepoints."""
    while len(segments) > 1:
        last, before = segments[-1], segments[-2]
        if last.savepoints & open_now != before.savepoints & open_now:
            return
        last.fold(before)
        del segments[-2]
