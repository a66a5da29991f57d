"""The interface of a backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from asgiref.sync import sync_to_async
from django.core.checks import CheckMessage
from django.db import DEFAULT_DB_ALIAS

if TYPE_CHECKING:
    from ..messages import Message, Receipt


class BaseBackend:
    """Sends messages. One instance serves all threads and event loops of a process."""

    #: The name of the backend in errors and logs.
    name: ClassVar[str] = ""
    #: Whether `send` takes part in the caller's transaction and is rolled back with it.
    transactional: ClassVar[bool] = False
    #: Whether a receipt without an error means that the server has accepted the message.
    confirms: ClassVar[bool] = True

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        """Send the messages in order, and return one receipt for each in the same order.

        If a message fails, its receipt contains a PublishError, and the other messages are still sent. `timeout` is in
        seconds, for all messages together; None stands for INSTANT_PUBLISH_TIMEOUT. With `wait`, a backend that does
        not confirm waits for the server's response, too.
        """
        raise NotImplementedError

    async def asend(
        self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False
    ) -> list[Receipt]:
        """Send the messages as `send` does. By default, this runs `send` in a thread with `sync_to_async`."""
        return await sync_to_async(self.send)(messages, timeout, wait)

    def database(self) -> str | None:
        """Return the alias of the database in whose transactions `send` takes part, or None."""
        return DEFAULT_DB_ALIAS if self.transactional else None

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all sent messages have a result. Return whether that happened within `timeout` seconds."""
        return True

    def check(self) -> list[CheckMessage]:
        """Return the messages of this backend for `manage.py check`."""
        return []
