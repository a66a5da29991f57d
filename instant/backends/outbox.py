"""Backend "outbox": writes messages as rows in the caller's transaction. They are sent if, and only if, it commits."""

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
    """Writes each message as a row of OutboxEntry, several in one INSERT. The server or a relay delivers the rows.

    `timeout` and `wait` have no effect, because no response of the server is awaited.
    """

    name: ClassVar[str] = "outbox"
    transactional: ClassVar[bool] = True
    confirms: ClassVar[bool] = False

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        """Write the rows. Outside a transaction, a failure is reported in the receipts.

        Raises:
            PublishError: writing failed inside a transaction. The database has aborted the transaction, so the error is
                raised even with `fail_silently`; otherwise the caller's own changes would be lost without an error.
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
        # hash() differs between processes.
        (message.command().decode(), crc32(message.server_channel.encode()) % partitions)
        for message in messages
    ]
    # save() is not used: a post_save receiver that publishes for every model would recurse forever.
    if len(rows) == 1:
        _write_one(using, *rows[0])
    else:
        entries = [OutboxEntry(payload=payload, partition=partition) for payload, partition in rows]
        OutboxEntry.objects.using(using).bulk_create(entries)


def _write_one(using: str, payload: str, partition: int) -> None:
    """Insert one row. It takes half the time of bulk_create(), which opens its own transaction if there is none."""
    connection = connections[using]
    now = connection.ops.adapt_datetimefield_value(timezone.now())
    with transaction.mark_for_rollback_on_error(using), connection.cursor() as cursor:
        cursor.execute(_insert(using), (payload, partition, now))


@lru_cache(maxsize=64)
def _insert(using: str) -> str:
    """Return the INSERT statement. The constant column is written into it, because Python binds each parameter."""
    name = connections[using].ops.quote_name
    columns = ", ".join(map(name, ("method", "payload", "partition", "created_at")))
    return f"INSERT INTO {name(OutboxEntry._meta.db_table)} ({columns}) VALUES ('publish', %s, %s, %s)"  # noqa: S608
