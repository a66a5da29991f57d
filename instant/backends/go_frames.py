"""Frames of the protocol between a process and the Go publisher. `instant/go/doc.go` describes them."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator

from .send_queue import Entry

_PUBLISH = struct.Struct(">IcQH")
_PUBLISH_HEAD = _PUBLISH.size - 4
_HEAD = struct.Struct(">I")


def frame(kind: bytes, body: bytes) -> bytes:
    return _HEAD.pack(len(body) + 1) + kind + body


def publish_frames(entries: dict[int, Entry]) -> bytes:
    """Return the P frames of these messages, which are keyed by sequence number."""
    parts: list[bytes] = []
    for number, (message, _, _) in entries.items():
        channel, command = message.server_channel.encode(), message.command()
        head = _PUBLISH.pack(_PUBLISH_HEAD + len(channel) + len(command), b"P", number, len(channel))
        parts += (head, channel, command)
    return b"".join(parts)


def complete_frames(buffer: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Remove the complete frames from the start of the buffer, and yield the type and the body of each."""
    start = 0
    while len(buffer) - start >= _HEAD.size:
        (length,) = _HEAD.unpack_from(buffer, start)
        end = start + _HEAD.size + length
        if end > len(buffer):
            break
        body = bytes(buffer[start + _HEAD.size : end])
        yield body[:1], body[1:]
        start = end
    del buffer[:start]


def read_answer(connection: socket.socket) -> bytes:
    """Return the next frame without its length.

    Raises:
        OSError: the publisher closed the connection, or the socket's timeout has passed.
    """
    (length,) = _HEAD.unpack(_exactly(connection, _HEAD.size))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        if not (part := connection.recv(min(length - len(data), 65536))):
            raise ConnectionResetError("the publisher closed the connection")
        data += part
    return bytes(data)
