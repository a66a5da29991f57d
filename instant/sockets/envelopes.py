"""What a stream carries: messages to the worker are numbered, messages to the client may be the last one.

To the worker `{"n": 0, "m": message}`, to the client `{"m": message}`, and at the end `{"c": [code, reason]}`. A client
that closes says so with `{"n": 1, "c": [code, reason]}`: where it just left, the server would drop what is under way.
"""

from __future__ import annotations

from typing import Any, Final

from ..exceptions import Deny, InvalidMessage, TooLarge
from ..protocol import MAX_PAYLOAD_BYTES
from ..serializer import decode, encode
from .close_codes import Closing

#: Stands for a message: the client closes.
END: Final = object()
#: The version of the envelopes, which a client names when it opens a socket.
VERSION = 1


def opened(given: Any) -> Any:
    """Return what a page gave for its handler when it opened the socket.

    Raises:
        Deny: the client speaks another version.
    """
    if given is None:
        return None
    if not isinstance(given, dict) or given.get("v", VERSION) != VERSION:
        raise Deny(400, "another version of sockets")
    return given.get("data")


def read(content: bytes | str) -> tuple[int, Any]:
    """Return the number of a message, and the message, or END.

    Raises:
        ValueError: it is no envelope.
    """
    envelope = decode(content)
    if not isinstance(envelope, dict) or not {"m", "c"} & envelope.keys():
        raise ValueError("a message is in an envelope, under m")
    number = envelope.get("n")
    if not isinstance(number, int) or isinstance(number, bool) or number < 0:
        raise ValueError(f"a message has a number from 0 on, not {number!r:.40}")
    return number, envelope.get("m", END)


def wrapped(message: Any) -> bytes:
    """Return a message in its envelope.

    Raises:
        InvalidMessage: it cannot be written as JSON, or is too large.
    """
    return b'{"m":%b}' % plain(message)


def plain(message: Any) -> bytes:
    """Return a message as JSON.

    Raises:
        InvalidMessage: it cannot be written, or is too large.
    """
    return _bounded(encode(message))


def text(message: Any) -> bytes:
    """Return a message as a plain WebSocket is sent it: text as it is, and anything else as JSON.

    Raises:
        InvalidMessage: it cannot be written, or is too large.
    """
    if not isinstance(message, str):
        return plain(message)
    try:
        return _bounded(message.encode())
    except UnicodeEncodeError as error:
        raise InvalidMessage(f"text that cannot be sent: {error}") from error


def last(closing: Closing) -> bytes:
    """Return the envelope after which nothing comes."""
    return encode({"c": [closing.code, closing.reason]})


def _bounded(content: bytes) -> bytes:
    if len(content) > MAX_PAYLOAD_BYTES:
        raise TooLarge(f"a message of {len(content)} bytes, more than {MAX_PAYLOAD_BYTES}")
    return content
