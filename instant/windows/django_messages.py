"""deliver_messages(): what Django's messages framework has collected, shown in pages that are there already."""

from __future__ import annotations

from typing import Any

from django.contrib.messages import get_messages
from django.http import HttpRequest

from ..exceptions import PublishError
from .targets import USER
from .triggering import trigger


def deliver_messages(request: HttpRequest, to: Any = USER) -> int:
    """Show the messages of `request` at once, by the signal `messages.add`, and return how many they were.

    For a request that answers no page, such as one of `fetch`. They are not shown again in the next page, unless the
    websockets server was not reached. Text that is marked safe is shown as HTML.

    Raises:
        PublishError, InvalidTopic: as `trigger`.
    """
    storage: Any = get_messages(request)
    found = [_written(message) for message in storage]
    if not found:
        return 0
    try:
        trigger(request, "messages.add", to=to, messages=found)
    except PublishError:
        storage.used = False
        raise
    return len(found)


def _written(message: Any) -> dict[str, str]:
    kind = "html" if hasattr(message.message, "__html__") else "message"
    return {kind: str(message), "tags": message.tags}
