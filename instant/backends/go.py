"""Backend "go": `publish()` returns when the Go publisher of this host has received the message and will send it."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Sequence
from typing import ClassVar

from django.core.checks import CheckMessage, Error

from ..conf.settings import conf
from ..exceptions import Unreachable
from ..messages import Message, Receipt
from ..process_state import is_about_to_fork
from . import go_publisher
from .go_connection import Connection
from .go_publisher import NoPublisher
from .python import PythonBackend
from .queueing import REST, Own, QueueingBackend
from .send_queue import Entry, SendQueue

logger = logging.getLogger("instant")

#: Number of publishers in a row that may end without any response before their messages fail.
MAX_DEATHS = 5
#: Seconds before the first retry to reach a publisher, and the maximum. The pause doubles each time.
PAUSES = (0.05, 1.0)
#: Seconds that an exiting process waits for results of messages that the publisher has received.
EXIT_ANSWERS = 1.0


class _Own(Own):
    def __init__(self) -> None:
        super().__init__()
        self.connection: Connection | None = None
        self.deaths = 0
        #: Held while writing to the publisher, so that messages are written in the order of the queue. Only the thread
        #: that has acquired an RLock can release it.
        self.writing = threading.RLock()
        #: Whether the publisher may lack messages that have left the queue. Then only the backend's thread writes.
        self.is_writing = False


class GoBackend(QueueingBackend):
    """Writes messages to the Go publisher.

    If a publisher ends, messages without a result are written to the next one. Their idempotency keys prevent
    duplicates.

    When `send` returns without an error, the publisher has received the messages. Usually the caller's thread writes
    them. If no publisher is running, or it cannot read at once, the backend's thread writes them and the caller waits.
    """

    name: ClassVar[str] = "go"
    writes_in_caller = True
    own_class = _Own

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        if is_about_to_fork():
            return PythonBackend().send(messages, timeout, wait)  # reading the publisher's results needs a thread
        return super().send(messages, timeout, wait)

    def queued(self, messages: Sequence[Message], out: SendQueue, timeout: float | None) -> list[Receipt]:
        timeout = conf.INSTANT_PUBLISH_TIMEOUT if timeout is None else timeout
        if self._write_now(out, time.monotonic() + timeout):
            return [Receipt(message) for message in messages]
        late = f"the publisher did not accept it within {timeout:g} seconds; it is still being tried"
        return [Receipt(message, error=Unreachable(late, message.channel, self.name, True)) for message in messages]

    async def aqueued(self, messages: Sequence[Message], out: SendQueue, timeout: float | None) -> list[Receipt]:
        if self._write_now(out, deadline=0):
            return [Receipt(message) for message in messages]
        return await asyncio.to_thread(self.queued, messages, out, timeout)

    def _write_now(self, out: SendQueue, deadline: float) -> bool:
        """Return whether the publisher receives everything queued so far before `deadline` (time.monotonic())."""
        own: _Own = self._own()
        goal = out.offered
        while out.taken < goal or own.is_writing:  # in this order: messages are taken while `is_writing` is true
            try:
                if not own.writing.acquire(timeout=max(deadline - time.monotonic(), 0)):
                    out.wake()
                    return False
                is_written = self._write_at_once(own, out)
            finally:  # a signal handler may raise after any call
                try:  # noqa: SIM105 - suppress() would be such a call
                    own.writing.release()
                except RuntimeError:  # it was not acquired
                    pass
            if not is_written:
                out.wake()
                if time.monotonic() >= deadline:
                    return False
                time.sleep(0.0005)  # let the thread acquire the lock
        return True

    def _write_at_once(self, own: _Own, out: SendQueue) -> bool:
        """Write the queued messages if that is possible without waiting. Return whether all were written."""
        connection, entries = own.connection, list[Entry]()
        if own.is_writing or connection is None or connection.ended or connection.rest:
            return False
        if connection.config is not go_publisher.configuration():
            return False
        own.is_writing = True
        try:
            is_written = connection.write_at_once(out.take_more(entries))
        except BaseException:  # such as Celery's soft time limit, or Ctrl-C: no message is lost with the caller
            if entries and not connection.has(entries):
                out.put_back(entries)
            connection.abandon()
            out.wake()
            raise
        own.is_writing = not is_written
        return is_written

    def _send_all(self, out: SendQueue) -> int:
        own: _Own = self._own()
        with own.writing:
            own.is_writing = True
            count = super()._send_all(out)
            own.is_writing = False
        return count

    def deliver(self, out: SendQueue, entries: list[Entry]) -> None:
        pause, last = PAUSES
        while True:
            entries[:0] = self._unanswered(out)
            connection = self._own().connection
            if not entries and not (connection and connection.rest):
                return
            try:
                connection = self._connected(out)
            except NoPublisher as error:
                self._fail_unsent(out, entries, error)
            else:
                self._own().connection = connection
                connection.write(entries)
                out.figures.batches += 1
                entries.clear()
                if not connection.ended:
                    return
            time.sleep(pause)
            pause = min(2 * pause, last)

    def _unanswered(self, out: SendQueue) -> list[Entry]:
        """Return the messages without a result if the last connection has ended, and drop that connection."""
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

    def _connected(self, out: SendQueue) -> Connection:
        """Return the connection. Open a new one if there is none or if the settings have changed, as in tests."""
        config = go_publisher.configuration()
        connection: Connection | None = self._own().connection
        if connection is None or connection.config != config:
            if connection is not None:
                connection.close()
                self._own().connection = None
            return Connection(config, out)
        connection.config = config  # callers compare by identity, and an equal configuration may be a new object
        return connection

    def _fail_unsent(self, out: SendQueue, entries: list[Entry], error: NoPublisher) -> None:
        """Fail messages that have waited for INSTANT_GO_RETRY_FOR seconds, or all messages if a retry cannot help."""
        oldest = time.monotonic() - conf.INSTANT_GO_RETRY_FOR
        given_up = [entry for entry in entries if not error.retryable or entry[2] <= oldest]
        entries[:] = [entry for entry in entries if error.retryable and entry[2] > oldest]
        if given_up:
            self._fail(out, given_up, error.reason, error, again=error.retryable)

    def finish(self, timeout: float) -> None:
        """Wait up to `timeout` seconds until the publisher has received all messages.

        Results are awaited for at most EXIT_ANSWERS seconds, because the publisher continues without this process.
        """
        self._own().ending = True
        deadline = time.monotonic() + timeout
        done = self.flush(min(EXIT_ANSWERS, timeout))
        while not done and self._left() and time.monotonic() < deadline:
            done = self.flush(0.05)
        if not done and (left := self._left()):
            logger.error("the process exits; messages that the publisher did not receive: %d", left)
        if (connection := self._own().connection) is not None and (done or not self._left()):
            if not done:
                connection.unanswered.clear()  # the publisher has them; late results are ignored
            connection.close()  # also joins the reading thread, which must not run during interpreter shutdown
        self._rest()

    def _rest(self) -> None:
        deadline = time.monotonic() + REST
        while self._own().connection is not None and self._own().connection.ended and time.monotonic() < deadline:
            time.sleep(0.002)  # the thread is about to drop the connection
        super()._rest()

    def _left(self) -> int:
        """Return the number of messages that the publisher has not received."""
        queued, connection = self.figures().queued, self._own().connection
        if connection is None or connection.ended or connection.writing:
            return queued
        return max(queued - len(connection.unanswered), 0)

    def check(self) -> list[CheckMessage]:
        if os.access(go_publisher.BINARY, os.X_OK):
            return []
        return [
            Error(
                f'INSTANT_BROADCAST_WITH is "go", but there is no publisher binary at {go_publisher.BINARY}.',
                hint='Build it with `go build -o bin/publisher .` in the directory instant/go, or use "thread".',
                id="instant.E004",
            )
        ]
