"""Writes rows in the caller's transaction: what is published leaves if, and only if, the transaction commits."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar
from zlib import crc32

from django.db import Error, InterfaceError, OperationalError, connections, router, transaction
from django.utils import timezone

from ..conf.settings import conf
from ..exceptions import PublishError
from ..messages import Message, Receipt
from ..models import OutboxEntry
from .base import BaseBackend


class OutboxBackend(BaseBackend):
    """Write each message as a row of OutboxEntry, many in one INSERT; the server, or a relay, delivers it.

    There is no answer of the server to wait for: `timeout` and `wait` mean nothing here.
    """

    name: ClassVar[str] = "outbox"
    transactional: ClassVar[bool] = True
    confirms: ClassVar[bool] = False

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        """Write the rows; a failure ends in the receipts.

        Raises:
            PublishError: a failure in a transaction, which the database has given up with it. Were it not raised, not
                even by `fail_silently`, all that the caller wrote would be lost without a word.
        """
        if not messages:
            return []
        using = self.database()
        try:
            _write(using, messages)
        except Error as error:
            if connections[using].in_atomic_block:
                raise self._failed(messages[0], error) from error
            return [Receipt(message, error=self._failed(message, error)) for message in messages]
        return [Receipt(message) for message in messages]

    def database(self) -> str:
        return router.db_for_write(OutboxEntry)

    def _failed(self, message: Message, error: Error) -> PublishError:
        missing = any(text in str(error) for text in ("no such table", "does not exist", "doesn't exist"))
        retryable = isinstance(error, (OperationalError, InterfaceError)) and not missing
        hint = "; run `manage.py migrate`" if missing else ""
        line, _, _ = str(error).partition("\n")
        wrapped = PublishError(f"its row was not written: {line}{hint}", message.channel, self.name, retryable)
        wrapped.__cause__ = error
        return wrapped


def _write(using: str, messages: Sequence[Message]) -> None:
    partitions = conf.outbox_partitions
    rows = [
        # hash() differs between processes
        (message.command().decode(), crc32(message.server_channel.encode()) % partitions)
        for message in messages
    ]
    # Not save(): a receiver of post_save that publishes for every model would not end.
    if len(rows) == 1:
        _write_one(using, *rows[0])
    else:
        entries = [OutboxEntry(payload=payload, partition=partition) for payload, partition in rows]
        OutboxEntry.objects.using(using).bulk_create(entries)


def _write_one(using: str, payload: str, partition: int) -> None:
    """Half the time of bulk_create(), which outside a transaction also makes one of its own."""
    connection = connections[using]
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with transaction.mark_for_rollback_on_error(using), connection.cursor() as cursor:
        cursor.execute(_insert(using), (payload, partition, now))


@lru_cache(maxsize=64)
def _insert(using: str) -> str:
    """The statement for this database; what is the same in each row is no parameter: each is bound by Python."""
    name = connections[using].ops.quote_name
    columns = ", ".join(map(name, ("method", "payload", "partition", "created_at")))
    return f"INSERT INTO {name(OutboxEntry._meta.db_table)} ({columns}) VALUES ('publish', %s, %s, %s)"  # noqa: S608
