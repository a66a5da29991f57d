"""A connection to the Go publisher. `instant/go/doc.go` describes the frames."""

from __future__ import annotations

import logging
import socket
import struct
import threading
import time
from contextlib import suppress
from itertools import count, islice
from typing import Any

from ..exceptions import PublishError, Rejected, Unreachable
from ..messages import Message, Receipt
from ..secret_text import masked
from . import go_publisher
from .go_frames import complete_frames, frame, publish_frames
from .send_queue import Entry, SendQueue
from .shared_ring import new_ring

logger = logging.getLogger("instant")

#: Maximum number of messages per write.
CHUNK = 1000
#: Requested size of the socket's send buffer, in bytes. A write that fits does not wait for the publisher to read it.
SEND_BUFFER = 1 << 20
#: Seconds between two reads of results. Reading each result at once would slow down the publishing threads.
READ_PAUSE = 0.001

#: Seconds between two attempts to write to a full ring.
FULL_PAUSE = 0.0005

_WAKE = frame(b"W", b"")
_RANGE = struct.Struct(">QQ")
_FAILED = struct.Struct(">QI?")


class Connection:
    """A connection to a publisher, with a thread that reads the results."""

    def __init__(self, config: dict[str, Any], out: SendQueue) -> None:
        self.config, self.answered, self.writing = config, False, False
        #: The rest of an incomplete frame, which must be written before any other frame.
        self.rest = b""
        self.unanswered: dict[int, Entry] = {}
        #: The messages that `write_at_once` has written, or is writing.
        self._sending: list[Entry] | None = None
        self._out, self._numbers = out, count()
        ring = new_ring()
        try:
            self.socket = go_publisher.connect(config, ring)
        finally:
            if ring is not None:
                ring.close_descriptor()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._ring = ring if ring is not None and ring.is_read else None
        self._reader = threading.Thread(target=self._read, name="instant-go-answers", daemon=True)
        self._reader.start()

    @property
    def ended(self) -> bool:
        return not self._reader.is_alive()

    def write_at_once(self, entries: list[Entry]) -> bool:
        """Write as many messages as possible without waiting, and add all of them to `unanswered`.

        Return False if `rest` contains bytes that are still to be written, or if the connection has ended.
        """
        numbered = {number: entry for entry, number in zip(entries, self._numbers, strict=False)}
        self.unanswered.update(numbered)
        frames = publish_frames(numbered)
        self._sending = entries
        try:
            sent = self._put(frames) if self._ring else self.socket.send(frames, socket.MSG_DONTWAIT)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._reader.join()
            return False
        self.rest = frames[sent:]
        return not self.rest

    def _put(self, frames: bytes) -> int:
        """Write as many bytes to the ring as fit, wake the publisher if it sleeps, and return the number of bytes."""
        assert self._ring is not None
        sent = self._ring.put(frames)
        if self._ring.has_sleeping_reader:
            with suppress(BlockingIOError):  # the socket has unread data, so the publisher is awake
                self.socket.send(_WAKE, socket.MSG_DONTWAIT)
        return sent

    def _put_all(self, frames: bytes) -> None:
        """Write all bytes. Wait while the ring or the socket's buffer is full.

        Raises:
            OSError: the publisher has ended.
        """
        if self._ring is None:
            self.socket.sendall(frames)
            return
        while frames := frames[self._put(frames) :]:
            if self.ended:
                raise ConnectionResetError("the publisher has ended")
            time.sleep(FULL_PAUSE)

    def write(self, entries: list[Entry]) -> None:
        """Write the messages and add them to `unanswered`. Wait while the ring or the socket's buffer is full."""
        waiting = iter(entries)
        self.writing = True
        try:
            self._put_all(self.rest)
            self.rest = b""
            while chunk := {
                number: entry for entry, number in zip(islice(waiting, CHUNK), self._numbers, strict=False)
            }:
                self.unanswered.update(chunk)
                self._put_all(publish_frames(chunk))
        except OSError:  # the publisher has ended; its last results may still be unread
            self.unanswered.update(zip(self._numbers, waiting, strict=False))
            self._reader.join()
        self.writing = False

    def has(self, entries: list[Entry]) -> bool:
        """Return whether `write_at_once` was called with this list and has come so far that the messages have a place
        in `unanswered`, or had one before their result.
        """
        return self._sending is entries or any(entry is entries[0] for entry in list(self.unanswered.values()))

    def abandon(self) -> None:
        """End this connection, because a part of a frame may have been written. Do not wait."""
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self._reader.join()
        self.socket.close()

    def _read(self) -> None:
        buffer = bytearray()
        with suppress(OSError):
            while data := self.socket.recv(1 << 18):
                buffer += data
                self._process(list(complete_frames(buffer)))
                time.sleep(READ_PAUSE)
        self._out.wake()

    def _process(self, frames: list[tuple[bytes, bytes]]) -> None:
        taken: list[Entry] = []
        failed: list[tuple[Entry, Receipt]] = []
        for kind, body in frames:
            if kind == b"A":
                numbers = (number for first, last in _RANGE.iter_unpack(body) for number in range(first, last + 1))
                taken += [entry for number in numbers if (entry := self.unanswered.pop(number, None))]
            elif kind == b"E":
                number, code, again = _FAILED.unpack_from(body)
                reason = masked(body[_FAILED.size :].decode(errors="replace"))
                if entry := self.unanswered.pop(number, None):
                    failed.append((entry, Receipt(entry[0], error=_error(entry[0], code, again, reason))))
            elif kind == b"X":
                logger.info("the publisher closes the connection: %s", body.decode(errors="replace"))
        self.answered = self.answered or bool(taken or failed)
        if taken:
            self._out.report(taken)
        if failed:
            self._out.report([entry for entry, _ in failed], [receipt for _, receipt in failed])


def _error(message: Message, code: int, again: bool, reason: str) -> PublishError:
    """Return the exception for an error code.

    Codes below 200 are the server's API errors. HTTP statuses may come from a proxy.
    """
    if code == 401 or 100 <= code < 200:
        return Rejected(reason, message.channel, "go", again, code)
    return Unreachable(reason, message.channel, "go", again)
