"""Collect messages published on commit, and send them in one batch when the transaction commits.

Django registers on-commit functions with the savepoints that are open, and drops them when one of these is rolled back.
Messages are therefore collected in segments, each with its own savepoints. A released savepoint commits or rolls back
with its parent: its segment is then merged with the next one. In the end there is one segment, plus one for each level
of savepoints after which nothing was published.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any
from weakref import WeakKeyDictionary, ref

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from .transaction_internals import is_open, outermost_block, registered, savepoints

#: Sends everything that was collected: messages, or changes of the database.
Send = Callable[[Sequence[Any]], object]


class _Segment:
    """The on-commit work of one position in a transaction."""

    def __init__(self, connection: Any, key: Hashable, send: Send, outermost: object) -> None:
        self.key, self.send, self.outermost = key, send, outermost
        #: A copy of the savepoint list from the segment's creation. The fast path compares it.
        self.savepoint_ids = list(savepoints(connection))
        self.savepoints = {sid for sid in self.savepoint_ids if sid is not None}
        self.messages: list[Any] = []
        self.earlier: _Segment | None = None
        #: Sent, or merged into a later segment. In tests, Django may keep and run the function again.
        self.is_done = False

    def __call__(self) -> None:
        if not self.is_done:
            self.is_done = True
            self.send(self.taken())

    def taken(self) -> list[Any]:
        """Return the messages of the merged segments, then its own, and release them all."""
        parts: list[list[Any]] = []
        segment: _Segment | None = self
        while segment is not None:  # not recursive: there may be thousands
            parts.append(segment.messages)
            segment.messages, segment.earlier, segment = [], None, segment.earlier
        return [message for part in reversed(parts) for message in part]

    def merge(self, earlier: _Segment) -> None:
        """Merge the messages of the previous segment into this one. The previous segment then does nothing."""
        first = self
        while first.earlier is not None:
            first = first.earlier
        first.earlier, earlier.is_done = earlier, True


#: Segments by key. Only Django holds strong references, until the commit or rollback.
_open: WeakKeyDictionary[BaseDatabaseWrapper, dict[Hashable, list[ref[_Segment]]]] = WeakKeyDictionary()


def awaited_connection(
    using: str | None, *, default: str = DEFAULT_DB_ALIAS, what: str = "on_commit=True", is_strict: bool = True
) -> Any:
    """Return the connection whose commit to wait for: that of the database `using`, or of `default`.

    Return None if that database has no open transaction.

    Raises:
        TransactionManagementError: `using` is None, and only another database has an open transaction. If `is_strict`,
            also if the database's autocommit is off, so that Django does not know when it commits.
    """
    connection: Any = connections[using or default]
    is_open = connection.connection is not None  # get_autocommit() would open it
    if is_strict and is_open and not connection.in_atomic_block and not connection.autocommit:
        raise transaction.TransactionManagementError(
            f"{what} cannot wait for the database {connection.alias!r}, because its autocommit is off. Use "
            "transaction.atomic(), or publish after your commit()."
        )
    if using is None and outermost_block(connection) is None:
        others = [each.alias for each in connections.all(initialized_only=True) if outermost_block(each) is not None]
        if others:
            raise transaction.TransactionManagementError(
                f"{what} waits for the database {default!r}, which has no open transaction, but {others[0]!r} has one. "
                f"Pass using={others[0]!r} to wait for its commit, or using={default!r} not to wait."
            )
    return connection if connection.in_atomic_block else None


def gather(
    messages: Sequence[Any], send: Send, key: Hashable, using: str | None = None, *, robust: bool = True
) -> bool:
    """Collect these messages, and call `send` with all messages collected under this key when the transaction commits.

    `send` must not raise, unless `robust` is false: its error then propagates from the commit. Only messages with the
    same key are sent together, and order holds only among them. If no transaction is open, do nothing and return False.
    """
    connection: Any = transaction.get_connection(using)
    if not connection.in_atomic_block:
        return False
    gather_at(connection, messages, send, key, robust=robust)
    return True


def gather_at(connection: Any, messages: Sequence[Any], send: Send, key: Hashable, *, robust: bool = True) -> None:
    """Do the same as `gather`, for a connection with an open transaction."""
    segment = _latest(connection, key) or _segment(connection, send, key, robust)
    segment.messages.extend(messages)


def _latest(connection: Any, key: Hashable) -> _Segment | None:
    """Return the segment of the previous message, if no savepoint and no other on-commit work came in between.

    A fast path for loops that publish: `_segment` would return the same segment.
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
    """Return the segment for a message published now: the last segment, or a new one."""
    open_now = {sid for sid in savepoints(connection) if sid is not None}
    outermost = outermost_block(connection)
    by_key = _open.setdefault(connection, {})
    segments = _alive(connection, by_key.get(key, ()))
    if segments and (outermost is None or segments[-1].outermost is not outermost):
        segments.clear()
    _merge(segments, open_now)
    if not segments or segments[-1].savepoints & open_now != open_now:
        segment = _Segment(connection, key, send, outermost)
        connection.on_commit(segment, robust=robust)
        segments.append(segment)
    by_key[key] = list(map(ref, segments))
    return segments[-1]


def _alive(connection: Any, kept: Sequence[ref[_Segment]]) -> list[_Segment]:
    """Return the segments that Django has not dropped with a savepoint or at the end of a transaction."""
    segments = [segment for each in kept if (segment := each()) is not None]
    work = registered(connection)
    while segments and (segments[-1].is_done or not any(entry[1] is segments[-1] for entry in reversed(work))):
        segments.pop()
    return segments


def _merge(segments: list[_Segment], open_now: set[str]) -> None:
    """Merge the last segments while they have the same open savepoints."""
    while len(segments) > 1:
        last, before = segments[-1], segments[-2]
        if last.savepoints & open_now != before.savepoints & open_now:
            return
        last.merge(before)
        del segments[-2]
