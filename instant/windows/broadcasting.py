"""Sends signals to browsers. One broadcast reaches all targets, so that a window in several of them runs its functions
once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from .. import features
from ..messages import Message
from ..on_commit import awaited_connection
from ..producers import publish_many
from ..protocol import SIGNAL
from .recorder import recorder
from .window_keys import channel_named


def broadcast(
    topics: Sequence[str],
    name: str,
    opts: dict[str, Any],
    *,
    on_commit: bool = False,
    uid: str | None = None,
    using: str | None = None,
) -> None:
    """Send a signal to the windows of these topics, given by their serialized names.

    A window that receives it several times recognises its `uid`, and runs it once.

    Raises:
        InvalidMessage, PublishManyError, TransactionManagementError: as for `publish_many`.
        InvalidSetting: windows are not in use.
    """
    taker = recorder()
    if taker is not None:
        take = partial(taker.take_signal, topics, name, opts)
        connection = awaited_connection(using) if on_commit else None
        if connection is not None:
            connection.on_commit(take)
        else:
            take()
        return
    publish_many(messages_of(topics, name, opts, uid), on_commit=on_commit, using=using)


def messages_of(topics: Sequence[str], name: str, opts: dict[str, Any], uid: str | None = None) -> list[Message]:
    """Return the messages by which a signal reaches the windows of these topics: one for each topic's channel.

    Raises:
        InvalidMessage: the arguments cannot be encoded as JSON, or the message is too large.
        InvalidSetting: windows are not in use.
    """
    features.require_windows()
    first, *others = dict.fromkeys(channel_named(topic) for topic in topics)
    own: dict[str, Any] = {} if uid is None else {"uid": uid}
    message = Message(first, data={"name": name, "opts": opts}, event_class=SIGNAL, **own)
    return [message, *(message.to(channel) for channel in others)]
