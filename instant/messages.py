"""The messages that are published.

`tests/contract/messages.json` defines their payloads; the tests of Python and TypeScript both read it.
"""

from __future__ import annotations

import copy
import itertools
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any, NamedTuple

from django.utils.functional import Promise

from . import protocol
from .channels.namespaces import check_name
from .channels.server_names import on_server
from .conf.settings import conf
from .exceptions import InvalidMessage, PublishError, TooLarge
from .process_state import PerProcess
from .serializer import encode, quoted

#: The second of the most recent timestamp, as text. Thousands of messages share it, so it is formatted once.
_latest = (0, "")


def _now() -> str:
    global _latest  # noqa: PLW0603
    moment, text = _latest
    seconds, milliseconds = divmod(time.time_ns() // 1_000_000, 1000)
    if seconds != moment:
        text = f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%dT%H:%M:%S}"
        _latest = seconds, text
    return f"{text}.{milliseconds:03}Z"


def _numbered() -> Iterator[str]:
    """Yield unique ids: 96 random bits of this process, then a counter.

    Threads can share the iterator: `map` and `count` are written in C, so a step is not interrupted.
    """
    return map(f"{os.urandom(12).hex()}%08x".__mod__, itertools.count())


_uids = PerProcess(_numbered)


def _new_uid() -> str:
    return next(_uids())


@dataclass(slots=True)
class Message:
    """One message for one channel. `uid` is also the server's idempotency key. If `site` is None, it is SITE_NAME.

    The payload is serialized on creation, so later changes to other fields have no effect. The class is not frozen,
    because the creation of a frozen object takes a third longer, and publishing consists mainly of this creation.

    Raises:
        InvalidChannel: the channel's name is wrong.
        InvalidMessage: there is neither message nor data, or they cannot be sent as JSON.
        TooLarge: the payload has more than `protocol.MAX_PAYLOAD_BYTES` bytes.
    """

    channel: str
    message: str | None = None
    data: Any = None
    event_class: str | None = None
    bucket: str | None = None
    site: str | None = None
    uid: str = field(default_factory=_new_uid)
    timestamp: str = field(default_factory=_now)
    #: Tags of the publication. They are not part of the payload. Clients read them; see `instant.exclude`.
    tags: Mapping[str, str] | None = None
    #: The payload as JSON, exactly as it is sent.
    payload: bytes = field(init=False, repr=False, compare=False)
    #: The channel's name on the server, including the tenant of the publisher.
    server_channel: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self.server_channel = on_server(check_name(self.channel))
        if self.message is None and self.data is None:
            raise InvalidMessage(
                f"There is nothing to publish to {self.channel!r}. Pass a message, data or both: "
                'publish("$users", "Hello") or publish("$users", data={"n": 1}).'
            )
        text: object = self.message
        if isinstance(text, Promise):  # gettext_lazy
            text = self.message = str(text)
        if text is not None and not isinstance(text, str):
            kind = type(text).__name__
            raise InvalidMessage(f"The message for {self.channel!r} must be text, not {kind}. Use data= instead.")
        if self.site is None:
            self.site = conf.SITE_NAME
        self.payload = self._serialized()

    def _serialized(self) -> bytes:
        content: dict[str, Any] = {protocol.SITE: self.site, protocol.UID: self.uid, protocol.TIMESTAMP: self.timestamp}
        if self.message is not None:
            content[protocol.MESSAGE] = self.message
        if self.data is not None:
            content[protocol.DATA] = self.data
        if self.event_class is not None:
            content[protocol.EVENT_CLASS] = self.event_class
        if self.bucket is not None:
            content[protocol.BUCKET] = self.bucket
        if conf.INSTANT_PAYLOAD == "string":
            payload = encode(encode({protocol.CHANNEL: self.channel, **content}).decode())
        else:
            payload = encode(content)
        if len(payload) > protocol.MAX_PAYLOAD_BYTES:
            raise TooLarge(
                f"The message for {self.channel!r} has {len(payload)} bytes, more than {protocol.MAX_PAYLOAD_BYTES}. "
                "Send a reference, and let the page fetch the data."
            )
        return payload

    def to(self, channel: str) -> Message:
        """Return this message for another channel, with the same uid. A page that has joined both handles it once.

        Raises:
            InvalidChannel: the channel's name is wrong.
            InvalidMessage: as `Message`.
        """
        if conf.INSTANT_PAYLOAD == "string":  # the payload contains the channel
            content = (self.message, self.data, self.event_class, self.bucket, self.site, self.uid, self.timestamp)
            return Message(channel, *content, self.tags)
        other = copy.copy(self)
        other.channel = check_name(channel)
        other.server_channel = on_server(channel)
        return other

    def command(self) -> bytes:
        """Return the body of the server's `publish` call."""
        # Concatenated instead of encoded again: the payload may be large, and the rest is ASCII.
        command = b'{"channel":%b,"data":%b,"idempotency_key":%b}' % (
            quoted(self.server_channel),
            self.payload,
            b'"%b"' % self.uid.encode() if self.uid.isalnum() and self.uid.isascii() else quoted(self.uid),
        )
        return command if self.tags is None else command[:-1] + self.tail()

    def tail(self) -> bytes:
        """Return the end of an API call: the tags, if there are any, and the closing brace."""
        return b"}" if self.tags is None else b',"tags":%b}' % encode(self.tags)


class Receipt(NamedTuple):
    """The result for one message: its position in the channel's history (0 and "" without one), or the error."""

    message: Message
    offset: int = 0
    epoch: str = ""
    error: PublishError | None = None
