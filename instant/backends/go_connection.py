"""A connection to the Go publisher: its frames, which `instant/go/doc.go` describes, and the answers to them."""

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

#: Messages in one write.
CHUNK = 1000
#: A write of that size does not wait for the publisher to read; the system may give less.
SEND_BUFFER = 1 << 20
#: Seconds that answers are let gather: else this thread would get in the way of those that publish at each of them.
READ_PAUSE = 0.001

#: Seconds between two tries to write to a ring that is full.
FULL_PAUSE = 0.0005

_WAKE = frame(b"W", b"")
_RANGE = struct.Struct(">QQ")
_FAILED = struct.Struct(">QI?")


class Connection:
    """A connection to a publisher, and the thread that reads its answers."""

    def __init__(self, config: dict[str, Any], out: SendQueue) -> None:
        self.config, self.answered, self.writing = config, False, False
        #: Bytes that must be written before any other frame.
        self.rest = b""
        self.unanswered: dict[int, Entry] = {}
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
        """Write the messages, which are in `unanswered` from now on, as far as the publisher reads at once.

        What is left is `rest`, and False is returned.
        """
        numbered = {number: entry for entry, number in zip(entries, self._numbers, strict=False)}
        self.unanswered.update(numbered)
        frames = publish_frames(numbered)
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
        """Write as many bytes to the ring as fit, wake the publisher if it sleeps, and return their number."""
        assert self._ring is not None
        sent = self._ring.put(frames)
        if self._ring.has_sleeping_reader:
            with suppress(BlockingIOError):  # its socket has unread data, so it is awake
                self.socket.send(_WAKE, socket.MSG_DONTWAIT)
        return sent

    def _put_all(self, frames: bytes) -> None:
        """Write everything, and wait while the publisher's memory is full.

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
        """Write the messages, and wait while the publisher's memory is full; they are in `unanswered` from now on."""
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
        except OSError:  # it is gone; answers may still be there to read
            self.unanswered.update(zip(self._numbers, waiting, strict=False))
            self._reader.join()
        self.writing = False

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
                self._settle(list(complete_frames(buffer)))
                time.sleep(READ_PAUSE)
        self._out.wake()

    def _settle(self, frames: list[tuple[bytes, bytes]]) -> None:
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
            self._out.settle(taken)
        if failed:
            self._out.settle([entry for entry, _ in failed], [receipt for _, receipt in failed])


def _error(message: Message, code: int, again: bool, reason: str) -> PublishError:
    """Below 200 are the errors of the server's API; a status of HTTP may be that of whatever stands in between."""
    if code == 401 or 100 <= code < 200:
        return Rejected(reason, message.channel, "go", again, code)
    return Unreachable(reason, message.channel, "go", again)
