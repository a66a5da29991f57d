"""Message: what is published, and the one serializer that writes it.

Payloads are those of `tests/contract/messages.json`, which the tests of Python and TypeScript both read.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import Promise

from . import channels, contract
from .conf import conf
from .exceptions import InvalidMessage, PublishError, TooLarge

# One kept encoder: json.dumps(cls=…) would build one for each message.
_encode: Callable[[object], str] = DjangoJSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


def encode(value: object) -> str:
    """Return `value` as compact JSON; takes what DjangoJSONEncoder takes, but no NaN and no infinities.

    Raises:
        InvalidMessage: it has a value that JSON cannot hold.
    """
    try:
        text = _encode(value)
        text.encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidMessage(f"data that cannot be sent as JSON: {error}") from error
    return text


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _new_uid() -> str:
    return os.urandom(16).hex()


@dataclass(frozen=True, slots=True)
class Message:
    """One message for one channel. `uid` is also the server's idempotency key; `site` None is SITE_NAME.

    Raises:
        InvalidMessage: the channel's name is wrong, or there is neither message nor data, or it cannot be JSON.
        TooLarge: the payload has more than `contract.MAX_PAYLOAD_BYTES` bytes.
    """

    channel: str
    message: str | None = None
    data: Any = None
    event_class: str | None = None
    bucket: str | None = None
    site: str | None = None
    uid: str = field(default_factory=_new_uid)
    timestamp: str = field(default_factory=_now)
    #: The payload as JSON, as it goes on the wire.
    payload: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        channels.check_name(self.channel)
        if self.message is None and self.data is None:
            raise InvalidMessage(
                f"nothing to publish to {self.channel!r}: give a message, data or both, "
                'as in publish("$users", "Hello") or publish("$users", data={"n": 1})'
            )
        text: object = self.message
        if isinstance(text, Promise):  # gettext_lazy
            text = str(text)
            object.__setattr__(self, "message", text)
        if text is not None and not isinstance(text, str):
            kind = type(text).__name__
            raise InvalidMessage(f"the message for {self.channel!r} is text, not {kind}: use data= for anything else")
        object.__setattr__(self, "site", conf.SITE_NAME if self.site is None else self.site)
        object.__setattr__(self, "payload", self._serialized())

    def _serialized(self) -> bytes:
        content: dict[str, Any] = {
            contract.SITE: self.site,
            contract.UID: self.uid,
            contract.TIMESTAMP: self.timestamp,
            contract.MESSAGE: self.message,
            contract.DATA: self.data,
            contract.EVENT_CLASS: self.event_class,
            contract.BUCKET: self.bucket,
        }
        content = {key: value for key, value in content.items() if value is not None}
        if conf.INSTANT_PAYLOAD == "string":
            text = encode(encode({contract.CHANNEL: self.channel, **content}))
        else:
            text = encode(content)
        payload = text.encode()
        if len(payload) > contract.MAX_PAYLOAD_BYTES:
            raise TooLarge(
                f"the message for {self.channel!r} has {len(payload)} bytes, more than {contract.MAX_PAYLOAD_BYTES}: "
                "send a reference, and let the page fetch the rest"
            )
        return payload

    def command(self) -> bytes:
        """Return the body of the server's `publish` call."""
        # Joined, not encoded again: the payload may be large, and the rest is ASCII that needs no escape but by JSON.
        return b'{"channel":%b,"data":%b,"idempotency_key":%b}' % (
            json.dumps(self.channel).encode(),
            self.payload,
            json.dumps(self.uid).encode(),
        )


@dataclass(frozen=True, slots=True)
class Receipt:
    """The answer for one message: its place in the channel's history (0 and "" where there is none), or the error."""

    message: Message
    offset: int = 0
    epoch: str = ""
    error: PublishError | None = None
