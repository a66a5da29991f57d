"""deliver_messages(): shows the messages of Django's messages framework in open pages."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from django.contrib.messages import get_messages
from django.http import HttpRequest

from ..backends import get_backend
from ..messages import Message
from ..on_commit import awaited_connection
from ..sending import Collected, Entry, collect
from .broadcasting import messages_of
from .recorder import recorder
from .targets import SERVER, USER, targets_of
from .topics import serialized
from .triggering import trigger
from .window_info import WindowInfo

logger = logging.getLogger("instant")


def deliver_messages(request: HttpRequest, to: Any = USER, *, using: str | None = None) -> int:
    """Show the messages of `request` in open pages with the signal `messages.add`, and return their number.

    Use it for requests that do not render a page, such as those of `fetch`. In a transaction of the database `using`
    (by default the default one), the messages are sent on commit, otherwise at once. The next page does not show them
    again, unless the transaction rolls back or the server could not be reached. Text that is marked safe is shown as
    HTML.

    Raises:
        PublishError, InvalidTopic, InvalidSetting: as for `trigger`. On commit, a PublishError is logged instead.
        TransactionManagementError: `using` is None, and only another database has an open transaction.
    """
    storage: Any = get_messages(request)
    info, targets = WindowInfo.from_request(request), targets_of(to)
    names = [serialized(target, info) for target in targets if target is not SERVER]
    delivered: list[tuple[Any, list[str | None]]] = getattr(storage, "_instant_delivered", [])
    pending = [message for message in storage if not any(message is each and names == to for each, to in delivered)]
    found = [_written(message) for message in pending]
    if not found:
        return 0
    storage.used = False  # keep them for the next page, until they were sent
    connection = awaited_connection(using, what="deliver_messages()")
    call = partial(trigger, info, "messages.add", messages=found)
    if connection is None:
        call(targets, immediate=True)
        storage.used = True
    elif recorder() is not None or get_backend().database() == connection.alias:
        call(targets, using=using)  # recorded, or written to the outbox in this transaction
        connection.on_commit(partial(setattr, storage, "used", True))
    else:
        if topics := list(dict.fromkeys(filter(None, names))):
            messages = messages_of(topics, "messages.add", {"messages": found})
            collect(connection, [Entry(_Notices, _Notice(storage, messages))])
        if SERVER in targets:
            call(SERVER, using=using)
    storage._instant_delivered = [*delivered, *((message, names) for message in pending)]
    return len(found)


class _Notice(NamedTuple):
    """The messages of one call, and the storage that keeps their texts for the next page."""

    storage: Any
    messages: Sequence[Message]


class _Notices(Collected):
    """Keeps the texts for the next page if a message of the call fails."""

    def __init__(self) -> None:
        self._error: Exception | None = None

    def written(self, items: Sequence[_Notice]) -> Sequence[Sequence[Message]]:
        for item in items:
            item.storage.used = True
        return [item.messages for item in items]

    def answered(self, item: _Notice, message: Message, error: Exception | None) -> None:
        if error is not None:
            item.storage.used = False
            self._error = self._error or error

    def finish(self) -> None:
        if self._error is not None:
            logger.error("%s; the next page shows these messages", self._error)


def _written(message: Any) -> dict[str, str]:
    kind = "html" if hasattr(message.message, "__html__") else "message"
    return {kind: str(message), "tags": message.tags}
