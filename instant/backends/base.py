"""The promises of a backend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from asgiref.sync import sync_to_async
from django.core.checks import CheckMessage
from django.db import DEFAULT_DB_ALIAS

if TYPE_CHECKING:
    from ..messages import Message, Receipt


class BaseBackend:
    """Sends messages somewhere. One instance serves a whole process, all its threads and event loops."""

    #: In errors and logs.
    name: ClassVar[str] = ""
    #: Whether `send` belongs into the caller's transaction, and is undone with it.
    transactional: ClassVar[bool] = False
    #: Whether a receipt without an error means that the server has the message.
    confirms: ClassVar[bool] = True

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        """Send the messages in order, and return a receipt for each, in the same order; nothing for nothing.

        A message that fails has a PublishError in its receipt, and keeps no other from being sent. `timeout` is for
        all together, in seconds. A backend that does not confirm waits for the server's answer where `wait` asks for
        it.
        """
        raise NotImplementedError

    async def asend(
        self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False
    ) -> list[Receipt]:
        """Send the messages as `send` does; in Django's own thread unless a backend knows better."""
        return await sync_to_async(self.send)(messages, timeout, wait)

    def database(self) -> str | None:
        """Return the database whose transactions `send` belongs into; None where it belongs into none."""
        return DEFAULT_DB_ALIAS if self.transactional else None

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all that was sent has been answered; tell whether it was, within `timeout` seconds."""
        return True

    def check(self) -> list[CheckMessage]:
        """Return what `manage.py check` should say of this backend."""
        return []
