"""deliver_messages(): shows the messages of Django's messages framework in open pages."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.messages import get_messages
from django.http import HttpRequest

from ..exceptions import PublishError
from ..on_commit import awaited_connection
from .targets import SERVER, USER, targets_of
from .topics import serialized
from .triggering import trigger
from .window_info import WindowInfo

logger = logging.getLogger("instant")


def deliver_messages(request: HttpRequest, to: Any = USER) -> int:
    """Show the messages of `request` in open pages with the signal `messages.add`, and return their number.

    Use it for requests that do not render a page, such as those of `fetch`. In a transaction the messages are sent on
    commit, otherwise at once. The next page does not show them again, unless the transaction rolls back or the server
    could not be reached. Text that is marked safe is shown as HTML.

    Raises:
        PublishError, InvalidTopic, InvalidSetting: as for `trigger`. On commit, a PublishError is logged instead.
        TransactionManagementError: only a database other than the default one has an open transaction.
    """
    storage: Any = get_messages(request)
    found = [_written(message) for message in storage]
    if not found:
        return 0
    storage.used = False  # keep them for the next page, until they were sent
    info, targets = WindowInfo.from_request(request), targets_of(to)
    for target in targets:
        if target is not SERVER:
            serialized(target, info)  # to raise InvalidTopic now, not on commit
    show = partial(_show, storage, partial(trigger, info, "messages.add", targets, immediate=True, messages=found))
    connection = awaited_connection(None, what="deliver_messages()")
    if connection is None:
        show()
    else:
        connection.on_commit(partial(_logged, show), robust=True)
    return len(found)


def _show(storage: Any, show: Callable[[], object]) -> None:
    show()
    storage.used = True


def _logged(show: Callable[[], object]) -> None:
    try:
        show()
    except PublishError as error:
        logger.error("%s; the next page shows these messages", error)


def _written(message: Any) -> dict[str, str]:
    kind = "html" if hasattr(message.message, "__html__") else "message"
    return {kind: str(message), "tags": message.tags}
