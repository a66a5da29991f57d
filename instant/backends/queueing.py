"""Base of the backends "thread" and "go". `publish()` puts a message into a queue of its process and returns.

One thread sends the queued messages. Each message gets a result: success, or an error that is logged or returned to a
caller who waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import Future, wait
from contextlib import suppress
from dataclasses import replace
from functools import partial
from time import monotonic, sleep
from typing import Any

from ..conf.settings import conf
from ..exceptions import Unreachable
from ..messages import Message, Receipt
from ..process_state import PerProcess, ends_without_exit, runs_threads
from . import process_exit
from .base import BaseBackend
from .send_queue import Answers, Entry, Figures, SendQueue

logger = logging.getLogger("instant")

#: Seconds that an exiting process waits for the thread to become idle.
REST = 0.5
#: Maximum seconds that a caller without a thread waits before it checks the queue for work again.
CHECK_INTERVAL = 0.05

_NO_EXIT = (
    "RQ ends the process of a job with os._exit(), which would lose the messages that the %r backend has queued. So "
    'publish() waits for the server\'s response in this process. INSTANT_BROADCAST_WITH = "go" does not need to wait.'
)


class _Call:
    """One call of send(), without the waiting itself, which differs between threads and event loops."""

    def __init__(self, out: SendQueue, entries: list[Entry], entered: int, timeout: float | None, answered: bool):
        self.started = monotonic()
        self.timeout = conf.INSTANT_PUBLISH_TIMEOUT if timeout is None else timeout
        self._out, self._entries, self._entered = out, entries, entered
        self._answers: Answers | None = None
        if answered:
            self._answers = answers = Answers(len(entries))
            self._entries = [
                (message, partial(answers.report, index), at) for index, (message, _, at) in enumerate(entries)
            ]

    @property
    def left(self) -> float:
        return max(self.started + self.timeout - monotonic(), 0)

    @property
    def is_queued(self) -> bool:
        return self._answers is None and self._entered == len(self._entries)

    def step(self) -> Future[None] | None:
        """Continue as far as possible. Return a future to await before the next step, for `left` seconds, or None."""
        if self._entered < len(self._entries):
            self._entered += self._out.offer(self._entries[self._entered :])
        if self._entered < len(self._entries):
            blocked = self._out.below(self._out.limit)
        elif self._answers is not None and not self._answers.complete.done():
            blocked = self._answers.complete
        else:
            return None
        return blocked if self.left else None

    def receipts(self, backend: str) -> list[Receipt]:
        answers = self._answers.close() if self._answers else [Receipt(message) for message, _, _ in self._entries]
        late = f"no result within {self.timeout:g} seconds; it is still being tried"
        full = (
            f"the queue is full: {self._out.limit} messages have no result yet (INSTANT_QUEUE_SIZE), "
            f"and it stayed full for {self.timeout:g} seconds"
        )
        return [
            _unreachable(message, full, backend)
            if index >= self._entered
            else answer or _unreachable(message, late, backend)
            for index, ((message, _, _), answer) in enumerate(zip(self._entries, answers, strict=True))
        ]


class Own:
    """The state of a backend in one process."""

    def __init__(self) -> None:
        self.out: SendQueue | None = None
        self.starting = threading.Lock()
        #: Whether the process is exiting, or will exit without notice, so that nothing would be sent later.
        self.ending = False
        #: Whether no thread can be started, or none would run. Callers then send their messages themselves.
        self.is_threadless = not runs_threads()


class QueueingBackend(BaseBackend):
    """Base of backends that queue messages for a thread, which sends them in order.

    Each process has its own queue and thread, including a forked child.

    """

    confirms = False
    #: Whether callers write their own messages, so that the thread is needed only if that fails.
    writes_in_caller = False
    #: Seconds that an exiting process waits for its queued messages.
    exit_timeout = 10.0
    #: The class of the per-process state. A forked child has its own, so it does not send its parent's messages again.
    own_class: type[Own] = Own

    def __init__(self) -> None:
        self._own: PerProcess[Any] = PerProcess(self.own_class)

    def deliver(self, out: SendQueue, entries: list[Entry]) -> None:
        """Send the messages in order and call `out.report` for each. Remove from `entries` those reported here."""
        raise NotImplementedError

    def send(self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False) -> list[Receipt]:
        out, entries, entered = self._enter(messages, wait)
        if entered == len(messages):
            return self.queued(messages, out, timeout)
        own: Own = self._own()
        call = _Call(out, entries, entered, timeout, wait or own.ending or own.is_threadless)
        while (blocked := call.step()) is not None:
            if own.is_threadless and out.has_work:
                self._work(out)
            else:
                _wait(blocked, min(call.left, CHECK_INTERVAL) if own.is_threadless else call.left)
        return self.queued(messages, out, call.left) if self._must_write(call) else call.receipts(self.name)

    async def asend(
        self, messages: Sequence[Message], timeout: float | None = None, wait: bool = False
    ) -> list[Receipt]:
        if self._own().is_threadless:
            return self.send(messages, timeout, wait)
        out, entries, entered = self._enter(messages, wait)
        if entered == len(messages):
            return await self.aqueued(messages, out, timeout)
        call = _Call(out, entries, entered, timeout, wait or self._own().ending)
        while (blocked := call.step()) is not None:
            with suppress(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.wrap_future(blocked), call.left)
        return await self.aqueued(messages, out, call.left) if self._must_write(call) else call.receipts(self.name)

    def _must_write(self, call: _Call) -> bool:
        """Return whether the whole call is queued after a wait for a full queue, and nobody waits for its results."""
        return self.writes_in_caller and call.is_queued

    def _enter(self, messages: Sequence[Message], wait: bool) -> tuple[SendQueue, list[Entry], int]:
        """Queue the messages, unless the caller waits for their results; a _Call queues those.

        In an exiting process all callers wait, because nothing would be sent later.
        """
        own, out, now = self._own(), self._queue(), monotonic()
        entries: list[Entry] = [(message, None, now) for message in messages]
        is_waited_for = wait or own.ending or own.is_threadless
        return out, entries, 0 if is_waited_for else out.offer(entries, wakes=not self.writes_in_caller)

    def queued(self, messages: Sequence[Message], out: SendQueue, timeout: float | None) -> list[Receipt]:
        """Return the receipts of messages that are now in the queue. `timeout` is in seconds."""
        out.wait_until_read()
        return [Receipt(message) for message in messages]

    async def aqueued(self, messages: Sequence[Message], out: SendQueue, timeout: float | None) -> list[Receipt]:
        """Return the same as `queued`, without blocking the event loop."""
        return [Receipt(message) for message in messages]

    def _queue(self) -> SendQueue:
        """Return the queue of this process. Create it and start its thread if necessary."""
        own: Own = self._own()
        return own.out or self._start(own)

    def _start(self, own: Own) -> SendQueue:
        with own.starting:
            if own.out is None:
                out = SendQueue(conf.INSTANT_QUEUE_SIZE)
                if not own.is_threadless:
                    self._start_thread(own, out)
                if not self.writes_in_caller and ends_without_exit():
                    logger.warning(_NO_EXIT, self.name)
                    own.ending = True
                _backends().add(self)
                process_exit.at_exit(finish_all)
                own.out = out
            return own.out

    def _start_thread(self, own: Own, out: SendQueue) -> None:
        try:
            threading.Thread(target=self._run, args=(out,), name=f"instant-{self.name}", daemon=True).start()
        except RuntimeError:  # Python 3.12 and later start no threads during interpreter shutdown
            own.ending = own.is_threadless = True

    def _run(self, out: SendQueue) -> None:
        process_exit.leave_signals_to_main_thread()
        while True:
            self._work(out)

    def _work(self, out: SendQueue) -> None:
        out.wait()
        self._send_all(out)

    def _send_all(self, out: SendQueue) -> int:
        """Send the queued messages, and return their number."""
        entries = out.take_more([])
        count = len(entries)
        try:
            out.limit = conf.INSTANT_QUEUE_SIZE
            self.deliver(out, entries)
        except Exception as error:  # for example wrong settings; the thread must survive them
            logger.debug("the %s backend failed", self.name, exc_info=True)
            self._fail(out, entries, f"{type(error).__name__}: {error}", error)
        return count

    def _fail(
        self,
        out: SendQueue,
        entries: Sequence[Entry],
        reason: str,
        cause: BaseException | None,
        again: bool = False,
    ) -> None:
        out.report(entries, [_unreachable(message, reason, self.name, again, cause) for message, _, _ in entries])

    def flush(self, timeout: float | None = None) -> bool:
        """Wait until all sent messages have a result. Return whether that happened within `timeout` seconds.

        A failed message has a result, too: its error was logged, or returned to a caller who waited for it.
        """
        out = self._own().out
        return out is None or _wait(out.below(1), timeout)

    def figures(self) -> Figures:
        """Return the statistics of this process's messages."""
        out = self._own().out
        return replace(out.figures) if out else Figures()

    def finish(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for queued messages at the process's exit, and log the number of lost ones."""
        self._own().ending = True
        if not self.flush(timeout):
            logger.error("the process exits; messages without a result: %d", self.figures().queued)
        self._rest()

    def _rest(self) -> None:
        """Wait until the thread is idle. A thread that runs during interpreter shutdown can crash the process."""
        deadline, own = monotonic() + REST, self._own()
        while own.out is not None and not own.is_threadless and not own.out.resting and monotonic() < deadline:
            sleep(0.002)


#: The backends that have queued messages in this process.
_backends = PerProcess[weakref.WeakSet[QueueingBackend]](weakref.WeakSet)


def finish_all() -> None:
    """Wait for the queued messages of all backends when the process exits. Each backend has `exit_timeout` seconds."""
    for backend in list(_backends()):
        backend.finish(backend.exit_timeout)


def _wait(future: Future[Any], timeout: float | None) -> bool:
    return bool(wait([future], timeout).done)


def _unreachable(
    message: Message, reason: str, backend: str, again: bool = True, cause: BaseException | None = None
) -> Receipt:
    error = Unreachable(reason, message.channel, backend, again)
    error.__cause__ = cause
    return Receipt(message, error=error)
