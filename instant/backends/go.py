"""publish() returns at once, and a thread hands the messages to the Go publisher of this host, which sends them."""

from __future__ import annotations

import logging
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count, islice
from typing import Any, ClassVar

from django.core.checks import CheckMessage, Error

from ..conf.settings import conf
from ..exceptions import PublishError, Rejected, Unreachable
from ..messages import Message, Receipt
from ..secret_text import masked
from . import go_publisher
from .go_publisher import NoPublisher
from .queueing import REST, Own, QueueingBackend
from .send_queue import Entry, SendQueue

logger = logging.getLogger("instant")

#: Messages in one write.
CHUNK = 1000
#: A write of that size does not wait for the publisher to read; the system may give less.
SEND_BUFFER = 1 << 20
#: How often messages are handed on to a next publisher while none answers a single one.
MAX_DEATHS = 5
#: Seconds between two tries to have a publisher: doubled from the first to the last.
PAUSES = (0.05, 1.0)
#: Seconds that a process waits at its end for the answers to what the publisher has.
EXIT_ANSWERS = 1.0

_PUBLISH = struct.Struct(">IcQH")
_PUBLISH_HEAD = _PUBLISH.size - 4
_RANGE = struct.Struct(">QQ")
_FAILED = struct.Struct(">QI?")
_HEAD = struct.Struct(">I")


class _Connection:
    """A connection to a publisher, and the thread that reads its answers."""

    def __init__(self, config: dict[str, Any], out: SendQueue) -> None:
        self.config, self.answered, self.writing = config, False, False
        self.unanswered: dict[int, Entry] = {}
        self._out, self._numbers = out, count()
        self.socket = go_publisher.connect(config)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        self._reader = threading.Thread(target=self._read, name="instant-go-answers", daemon=True)
        self._reader.start()

    @property
    def ended(self) -> bool:
        return not self._reader.is_alive()

    def write(self, entries: list[Entry]) -> None:
        """Write the messages, and wait while the publisher's memory is full; they are in `unanswered` from now on."""
        waiting = iter(entries)
        self.writing = True
        try:
            while chunk := {
                number: entry for entry, number in zip(islice(waiting, CHUNK), self._numbers, strict=False)
            }:
                self.unanswered.update(chunk)
                self.socket.sendall(_publish_frames(chunk))
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
                self._settle(list(_frames(buffer)))
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


class _Own(Own):
    def __init__(self) -> None:
        super().__init__()
        self.connection: _Connection | None = None
        self.deaths = 0


class GoBackend(QueueingBackend):
    """Queue messages for a thread that writes them to the publisher; what has no answer when that ends goes to the
    next one, with the idempotency keys that make it once."""

    name: ClassVar[str] = "go"

    own_class = _Own

    def deliver(self, out: SendQueue, entries: list[Entry]) -> None:
        pause, last = PAUSES
        while True:
            entries[:0] = self._unanswered(out)
            if not entries:
                return
            try:
                connection = self._connected(out)
            except NoPublisher as error:
                self._give_up(out, entries, error)
            else:
                self._own().connection = connection
                connection.write(entries)
                out.go_on()
                out.figures.batches += 1
                entries.clear()
                if not connection.ended:
                    return
            time.sleep(pause)
            pause = min(2 * pause, last)

    def _unanswered(self, out: SendQueue) -> list[Entry]:
        """Return what the last connection left without an answer, if that has ended."""
        connection = self._own().connection
        if connection is None or not connection.ended:
            return []
        connection.close()
        self._own().connection, left = None, list(connection.unanswered.values())
        if not left:
            return []
        self._own().deaths = 0 if connection.answered else self._own().deaths + 1
        if self._own().deaths >= MAX_DEATHS:
            self._own().deaths = 0
            self._fail(out, left, f"{MAX_DEATHS} publishers ended without an answer", None, again=True)
            return []
        out.figures.retried += len(left)
        return left

    def _connected(self, out: SendQueue) -> _Connection:
        """Return the connection, a new one where there is none, or other settings, as in tests."""
        config = go_publisher.configuration()
        connection = self._own().connection
        if connection is not None and connection.config != config:
            connection.close()
            connection = self._own().connection = None
        return connection or _Connection(config, out)

    def _give_up(self, out: SendQueue, entries: list[Entry], error: NoPublisher) -> None:
        """Fail what has waited for INSTANT_GO_RETRY_FOR seconds, or all where waiting does not help."""
        oldest = time.monotonic() - conf.INSTANT_GO_RETRY_FOR
        given_up = [entry for entry in entries if not error.retryable or entry[2] <= oldest]
        entries[:] = [entry for entry in entries if error.retryable and entry[2] > oldest]
        if given_up:
            self._fail(out, given_up, error.reason, error, again=error.retryable)

    def finish(self, timeout: float) -> None:
        """Wait until the publisher has all; the answers are waited for shortly: it goes on without this process."""
        self._own().ending = True
        deadline = time.monotonic() + timeout
        done = self.flush(min(EXIT_ANSWERS, timeout))
        while not done and self._left() and time.monotonic() < deadline:
            done = self.flush(0.05)
        if not done and (left := self._left()):
            logger.error("the process ends; messages that the publisher did not get: %d", left)
        if (connection := self._own().connection) is not None and (done or not self._left()):
            if not done:
                connection.unanswered.clear()  # the publisher's now; its answers must find nobody
            connection.close()  # with the thread that reads, which must not run while the interpreter is taken apart
        self._rest()

    def _rest(self) -> None:
        deadline = time.monotonic() + REST
        while self._own().connection is not None and self._own().connection.ended and time.monotonic() < deadline:
            time.sleep(0.002)  # the thread is about to let it go
        super()._rest()

    def _left(self) -> int:
        """How many messages the publisher has not got."""
        queued, connection = self.figures().queued, self._own().connection
        if connection is None or connection.ended or connection.writing:
            return queued
        return max(queued - len(connection.unanswered), 0)

    def check(self) -> list[CheckMessage]:
        if os.access(go_publisher.BINARY, os.X_OK):
            return []
        return [
            Error(
                f'INSTANT_BROADCAST_WITH is "go", and there is no publisher binary at {go_publisher.BINARY}.',
                hint='Build it with `go build -o bin/publisher .` in the folder instant/go, or use "thread".',
                id="instant.E004",
            )
        ]


def _publish_frames(entries: dict[int, Entry]) -> bytes:
    parts: list[bytes] = []
    for number, (message, _, _) in entries.items():
        channel, command = message.server_channel.encode(), message.command()
        head = _PUBLISH.pack(_PUBLISH_HEAD + len(channel) + len(command), b"P", number, len(channel))
        parts += (head, channel, command)
    return b"".join(parts)


def _frames(buffer: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Cut the complete frames off the buffer."""
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


def _error(message: Message, code: int, again: bool, reason: str) -> PublishError:
    """Below 200 are the errors of the server's API; a status of HTTP may be that of whatever stands in between."""
    if code == 401 or 100 <= code < 200:
        return Rejected(reason, message.channel, "go", again, code)
    return Unreachable(reason, message.channel, "go", again)
