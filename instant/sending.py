"""Sending: immediately, or when a transaction commits, in the order in which messages and changes were published."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from itertools import groupby
from typing import TYPE_CHECKING, Any, NamedTuple

from django.conf import settings

from .backends import get_backend
from .chunks import chunks
from .exceptions import PublishError, PublishManyError
from .on_commit import gather_at

if TYPE_CHECKING:
    from .messages import Message, Receipt

logger = logging.getLogger("instant")

#: The most entries that are written and sent together.
BATCH = 1_000


class Collected:
    """A kind of entry that a transaction collects. Each commit has its own instance, which may record failures."""

    def merged(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Return the entries to send, in order, after merging entries of this kind that belong together.

        Entries of other kinds must keep their positions.
        """
        return entries

    def written(self, items: Sequence[Any]) -> Sequence[Sequence[Message]]:
        """Return the messages of each item. Must not raise."""
        raise NotImplementedError

    def answered(self, item: Any, message: Message, error: Exception | None) -> None:
        """Record the result of one message."""

    def finish(self) -> None:
        """Log the failures, or raise an error. The commit then raises this error."""


class Entry(NamedTuple):
    """One entry of a transaction. `timeout` is in seconds; None stands for INSTANT_PUBLISH_TIMEOUT."""

    kind: type[Collected]
    item: Any
    timeout: float | None = None


class _Messages(Collected):
    """Messages of `publish()`. Errors are logged, because there is no caller to catch them."""

    def __init__(self) -> None:
        self._count, self._failed = 0, list[tuple[int, PublishError]]()
        self._sent: list[int] = []

    def written(self, items: Sequence[Message]) -> Sequence[Sequence[Message]]:
        return [(message,) for message in items]

    def answered(self, item: Any, message: Message, error: Exception | None) -> None:
        if error is None:
            self._sent.append(self._count)
        else:
            self._failed.append((self._count, _publish_error(message, error)))
        self._count += 1

    def finish(self) -> None:
        if self._failed:
            logger.error("%s", _one_error(self._failed, self._sent, self._count > 1))


def collect(connection: Any, entries: Iterable[Entry]) -> None:
    """Send these entries when the open transaction of this connection commits, after those already collected."""
    gather_at(connection, list(entries), _send_collected, "publications", robust=False)


def collect_messages(connection: Any, messages: Iterable[Message], timeout: float | None) -> None:
    """Send these messages when the open transaction of this connection commits."""
    collect(connection, [Entry(_Messages, message, timeout) for message in messages])


def _send_collected(entries: Sequence[Entry]) -> None:
    send_entries(entries, {kind: kind() for kind in dict.fromkeys(entry.kind for entry in entries)})


def send_entries(entries: Sequence[Entry], kinds: Mapping[type[Collected], Collected]) -> None:
    """Send these entries now, in order. `kinds` has an instance for each kind. At the end, each `finish` is called."""
    with ExitStack() as stack:
        for own in kinds.values():
            stack.callback(own.finish)
            entries = own.merged(entries)
        for batch in chunks(entries, BATCH):
            _send_batch(batch, kinds)


def _send_batch(batch: Sequence[Entry], kinds: Mapping[type[Collected], Collected]) -> None:
    written: dict[int, Sequence[Message]] = {}
    for kind, own in kinds.items():
        numbers = [number for number, entry in enumerate(batch) if entry.kind is kind]
        written.update(zip(numbers, own.written([batch[number].item for number in numbers]), strict=True))
    pairs = [(entry, message) for number, entry in enumerate(batch) for message in written[number]]
    for timeout, group in groupby(pairs, key=lambda pair: pair[0].timeout):
        run = list(group)
        for (entry, message), error in zip(run, _errors([message for _, message in run], timeout), strict=True):
            kinds[entry.kind].answered(entry.item, message, error)


def _errors(messages: Sequence[Message], timeout: float | None) -> Sequence[Exception | None]:
    """Send the messages, and return the error of each."""
    try:
        receipts = get_backend().send(messages, timeout)
    except Exception as error:
        return [error] * len(messages)
    _print_debug(receipts)
    return [receipt.error for receipt in receipts]


def finish(receipts: Sequence[Receipt], fail_silently: bool, many: bool) -> PublishError | None:
    """Print debug messages. Report the failures: log them if `fail_silently`, otherwise raise an error.

    Raises:
        PublishError: a message failed. With `many` it is a PublishManyError, which reports all failures.
    """
    failed = [(index, receipt.error) for index, receipt in enumerate(receipts) if receipt.error is not None]
    _print_debug(receipts)
    if not failed:
        return None
    error = _one_error(failed, [index for index, receipt in enumerate(receipts) if receipt.error is None], many)
    if not fail_silently:
        raise error
    logger.error("%s", error)
    return error


def _one_error(failed: Sequence[tuple[int, PublishError]], sent: Sequence[int], many: bool) -> PublishError:
    first = failed[0][1]
    if not many:
        return first
    error = PublishManyError(failed, sent, backend=first.backend)
    error.__cause__ = first
    return error


def _publish_error(message: Message, error: Exception) -> PublishError:
    if isinstance(error, PublishError):
        return error
    wrapped = PublishError(f"{type(error).__name__}: {error}", message.channel, get_backend().name, False)
    wrapped.__cause__ = error
    return wrapped


def _print_debug(receipts: Sequence[Receipt]) -> None:
    if not settings.DEBUG:
        return
    for message in (receipt.message for receipt in receipts):
        if message.event_class == "debug":
            print(f"[{message.channel}] {message.message or ''} {message.data if message.data is not None else ''}")  # noqa: T201
