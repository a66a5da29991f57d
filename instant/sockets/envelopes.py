"""Envelopes of a stream: JSON objects that contain the messages of a socket.

The client sends `{"n": 0, "m": message}`, where n counts from 0. The worker sends `{"m": message}`, and `{"c": [code,
reason]}` as the last envelope. A client closes a socket with `{"n": 1, "c": [code, reason]}`: if it only unsubscribed,
the server would drop messages that are still in transit.
"""

from __future__ import annotations

from typing import Any, Final

from ..exceptions import Deny, InvalidMessage, TooLarge
from ..protocol import MAX_PAYLOAD_BYTES
from ..serializer import decode, encode
from .close_codes import Closing

#: Takes the place of a message when the client closes the socket.
END: Final = object()
#: The version of the envelopes. A client names its version when it opens a socket.
VERSION = 1


def opened(given: Any) -> Any:
    """Return the `data` that a page passed when it opened the socket.

    Raises:
        Deny: the client uses another version.
    """
    if given is None:
        return None
    if not isinstance(given, dict) or given.get("v", VERSION) != VERSION:
        raise Deny(400, "unsupported version of sockets")
    return given.get("data")


def read(content: bytes | str) -> tuple[int, Any]:
    """Return the number and the message of an envelope. The message is END if the client closes the socket.

    Raises:
        ValueError: this is not an envelope.
    """
    envelope = decode(content)
    if not isinstance(envelope, dict) or not {"m", "c"} & envelope.keys():
        raise ValueError("an envelope is an object with a message under m")
    number = envelope.get("n")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(f"the number of a message is an integer from 0 on, not {number!r:.40}")
    return number, envelope.get("m", END)


def wrapped(message: Any) -> bytes:
    """Return a message in its envelope.

    Raises:
        InvalidMessage: the message is not serializable as JSON.
        TooLarge: the message has more than `protocol.MAX_PAYLOAD_BYTES` bytes.
    """
    return b'{"m":%b}' % plain(message)


def plain(message: Any) -> bytes:
    """Return a message as JSON.

    Raises:
        InvalidMessage: the message is not serializable as JSON.
        TooLarge: the message has more than `protocol.MAX_PAYLOAD_BYTES` bytes.
    """
    return _bounded(encode(message))


def text(message: Any) -> bytes:
    """Return a message as it is sent to a plain WebSocket: text unchanged, anything else as JSON.

    Raises:
        InvalidMessage: the message is not serializable as JSON, or the text cannot be encoded as UTF-8.
        TooLarge: the message has more than `protocol.MAX_PAYLOAD_BYTES` bytes.
    """
    if not isinstance(message, str):
        return plain(message)
    try:
        return _bounded(message.encode())
    except UnicodeEncodeError as error:
        raise InvalidMessage(f"the text cannot be encoded as UTF-8: {error}") from error


def last(closing: Closing) -> bytes:
    """Return the last envelope of a stream."""
    return encode({"c": [closing.code, closing.reason]})


def _bounded(content: bytes) -> bytes:
    if len(content) > MAX_PAYLOAD_BYTES:
        raise TooLarge(f"the message has {len(content)} bytes, more than {MAX_PAYLOAD_BYTES}: send it in parts")
    return content
